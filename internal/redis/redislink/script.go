package redislink

import (
	"embed"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Script joins the files of the folder lua, one after the other, into one script.
func Script(files embed.FS, names ...string) *goredis.Script {
	var source strings.Builder
	for _, name := range names {
		text, err := files.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // not built in: a programming error
		}
		source.Write(text)
	}
	return goredis.NewScript(source.String())
}

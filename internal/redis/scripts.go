package redis

import (
	"embed"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// One script per move. Each takes its clock from Redis, and has one key; tune has two of the same slot. Those that begin with waiting.lua touch the indexes
// of waiting jobs beside the record, and lose a dedup key: so these never say anything else than the records.
var (
	createScript     = script("waiting", "create")
	claimScript      = script("waiting", "claim")
	renewScript      = script("renew")
	closeScript      = script("waiting", "close")
	withdrawScript   = script("waiting", "withdraw")
	supersedeScript  = script("waiting", "supersede")
	cancelScript     = script("waiting", "cancel")
	loseScript       = script("waiting", "lose")
	enlistScript     = script("waiting", "enlist")
	lowerScript      = script("waiting", "lower")
	discardScript    = script("discard")
	reserveScript    = script("reserve")
	keepKeyScript    = script("keepkey")
	releaseKeyScript = script("releasekey")
	tuneScript       = script("tune")
	restoreScript    = script("restore")
	beatScript       = script("beat")
	parkScript       = script("park")
	publishScript    = script("publish")
	leadScript       = script("lead")
	resignScript     = script("resign")
)

// script is the files one after the other.
func script(names ...string) *goredis.Script {
	var source strings.Builder
	for _, name := range names {
		text, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err) // not built in: a programming error
		}
		source.Write(text)
	}
	return goredis.NewScript(source.String())
}

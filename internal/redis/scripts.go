package redis

import (
	"embed"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// One script per move. Each takes its clock from Redis, and touches one key; tune touches two of the same slot.
var (
	createScript     = script("create")
	claimScript      = script("claim")
	renewScript      = script("renew")
	closeScript      = script("close")
	withdrawScript   = script("withdraw")
	supersedeScript  = script("supersede")
	cancelScript     = script("cancel")
	lowerScript      = script("lower")
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

func script(name string) *goredis.Script {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // not built in: a programming error
	}
	return goredis.NewScript(string(source))
}

package redis

import (
	"embed"

	"github.com/polyglot-media/siren/internal/redis/redislink"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// Each takes its clock from Redis, and has one key; tune has two of the same slot.
var (
	tuneScript    = redislink.Script(luaFiles, "tune")
	restoreScript = redislink.Script(luaFiles, "restore")
	beatScript    = redislink.Script(luaFiles, "beat")
	parkScript    = redislink.Script(luaFiles, "park")
	publishScript = redislink.Script(luaFiles, "publish")
	leadScript    = redislink.Script(luaFiles, "lead")
	resignScript  = redislink.Script(luaFiles, "resign")
	learnScript   = redislink.Script(luaFiles, "learn")
	answerScript  = redislink.Script(luaFiles, "answer")
)

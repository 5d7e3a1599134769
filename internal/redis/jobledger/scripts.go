package jobledger

import (
	"embed"

	"github.com/polyglot-media/siren/internal/redis/redislink"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// One script per move. Each takes its clock from Redis, and has one key. Those that begin with waiting.lua touch the
// indexes of waiting and running jobs beside the record, and lose a dedup key: so these never say anything else than
// the records.
var (
	createScript     = redislink.Script(luaFiles, "waiting", "create")
	claimScript      = redislink.Script(luaFiles, "waiting", "claim")
	renewScript      = redislink.Script(luaFiles, "renew")
	adoptScript      = redislink.Script(luaFiles, "waiting", "adopt")
	rescueScript     = redislink.Script(luaFiles, "waiting", "rescue")
	closeScript      = redislink.Script(luaFiles, "waiting", "close")
	withdrawScript   = redislink.Script(luaFiles, "waiting", "withdraw")
	supersedeScript  = redislink.Script(luaFiles, "waiting", "supersede")
	cancelScript     = redislink.Script(luaFiles, "waiting", "cancel")
	loseScript       = redislink.Script(luaFiles, "waiting", "lose")
	enlistScript     = redislink.Script(luaFiles, "waiting", "enlist")
	lowerScript      = redislink.Script(luaFiles, "waiting", "lower")
	discardScript    = redislink.Script(luaFiles, "discard")
	reserveScript    = redislink.Script(luaFiles, "reserve")
	keepKeyScript    = redislink.Script(luaFiles, "keepkey")
	releaseKeyScript = redislink.Script(luaFiles, "releasekey")
)

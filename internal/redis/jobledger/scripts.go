package jobledger

import (
	"embed"

	"github.com/polyglot-media/siren/internal/redis/link"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// One script per move. Each takes its clock from Redis, and has one key. Those that begin with waiting.lua touch the
// indexes of waiting jobs beside the record, and lose a dedup key: so these never say anything else than the records.
var (
	createScript     = link.Script(luaFiles, "waiting", "create")
	claimScript      = link.Script(luaFiles, "waiting", "claim")
	renewScript      = link.Script(luaFiles, "renew")
	closeScript      = link.Script(luaFiles, "waiting", "close")
	withdrawScript   = link.Script(luaFiles, "waiting", "withdraw")
	supersedeScript  = link.Script(luaFiles, "waiting", "supersede")
	cancelScript     = link.Script(luaFiles, "waiting", "cancel")
	loseScript       = link.Script(luaFiles, "waiting", "lose")
	enlistScript     = link.Script(luaFiles, "waiting", "enlist")
	lowerScript      = link.Script(luaFiles, "waiting", "lower")
	discardScript    = link.Script(luaFiles, "discard")
	reserveScript    = link.Script(luaFiles, "reserve")
	keepKeyScript    = link.Script(luaFiles, "keepkey")
	releaseKeyScript = link.Script(luaFiles, "releasekey")
)

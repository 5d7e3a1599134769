package redis

import (
	"embed"

	"github.com/polyglot-media/siren/internal/redis/link"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// Each takes its clock from Redis, and has one key; tune has two of the same slot.
var (
	tuneScript    = link.Script(luaFiles, "tune")
	restoreScript = link.Script(luaFiles, "restore")
	beatScript    = link.Script(luaFiles, "beat")
	parkScript    = link.Script(luaFiles, "park")
	publishScript = link.Script(luaFiles, "publish")
	leadScript    = link.Script(luaFiles, "lead")
	resignScript  = link.Script(luaFiles, "resign")
)

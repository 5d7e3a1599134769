package database_test

import (
	"os"
	"testing"

	"github.com/polyglot-media/siren/internal/redis/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

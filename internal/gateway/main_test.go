package gateway

import (
	"os"
	"testing"

	"github.com/polyglot-media/siren/internal/operate/operatetest"
)

func TestMain(m *testing.M) { os.Exit(operatetest.Main(m)) }

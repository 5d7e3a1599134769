package broker_test

import (
	"testing"

	"github.com/polyglot-media/siren/internal/rabbit/rabbittest"
)

func TestMain(m *testing.M) { rabbittest.Main(m) }

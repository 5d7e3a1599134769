package tunecmd

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
)

// An empty flag of a schedule, as of an unset shell variable, is refused: the command would tune at once.
func TestEmptyScheduleFlags(t *testing.T) {
	for _, c := range []*cobra.Command{
		NewPoolsTune(&app.App{}), NewPoolsFreeze(&app.App{}), NewLanesTune(&app.App{}), NewLanesPause(&app.App{}),
		newBudgetSet(&app.App{}),
	} {
		for _, flag := range []string{"at", "every", "cron", "timezone", "name"} {
			for _, empty := range []string{"", " "} {
				err := c.ParseFlags([]string{"--" + flag, empty, "--for", "5m"})
				if err == nil || !strings.Contains(err.Error(), "it is empty: is a shell variable unset?") {
					t.Errorf("%s --%s %q: %v", c.Name(), flag, empty, err)
				}
			}
		}
	}
}

// The help says that a cron line needs a name.
func TestHelpOfName(t *testing.T) {
	usage := newBudgetSet(&app.App{}).Flags().Lookup("name").Usage
	if !strings.Contains(usage, "required with --cron") {
		t.Error(usage)
	}
}

package sound

import (
	"strings"
	"testing"

	"github.com/polyglot-media/siren/worker/media/probe"
)

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		channels     int
		layout, want string
		filters      string
		makes        int
	}{
		{1, "mono", "stereo", "", 1},
		{1, "", "5.1", "", 1},
		{1, "mono", "mono", "", 1},
		{2, "stereo", "stereo", "", 2},
		{2, "", "5.1", "", 2},
		{2, "stereo", "mono", "aformat=channel_layouts=mono", 1},
		{3, "2.1", "5.1", "aformat=channel_layouts=stereo", 2},
		{4, "quad", "stereo", "aformat=channel_layouts=stereo", 2},
		{6, "5.1(side)", "stereo", "aformat=channel_layouts=stereo", 2},
		{6, "5.1(side)", "mono", "aformat=channel_layouts=mono", 1},
		{6, "5.1(side)", "5.1", "aformat=channel_layouts=5.1", 6},
		{8, "7.1", "5.1", "aformat=channel_layouts=5.1", 6},
		{6, "", "stereo", "aformat=channel_layouts=stereo", 2},
		{6, "", "5.1", "aformat=channel_layouts=5.1", 6},
		{3, "", "5.1", "aformat=channel_layouts=stereo", 2},
		{8, "", "mono", "aformat=channel_layouts=mono", 1},
		{9, "", "stereo", "pan=stereo|c0=c0|c1=c1", 2},
		{10, "", "5.1", "pan=stereo|c0=c0|c1=c1", 2},
		{10, "", "mono", "pan=stereo|c0=c0|c1=c1,aformat=channel_layouts=mono", 1},
	} {
		s := probe.Stream{Channels: c.channels, Layout: c.layout}
		if got := strings.Join(Layout(s, c.want), ","); got != c.filters || Channels(s, c.want) != c.makes {
			t.Errorf("%d channels, %q, as %s: %q of %d channels, want %q of %d", c.channels, c.layout, c.want, got,
				Channels(s, c.want), c.filters, c.makes)
		}
	}
}

package attempt

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// KeyFramesApart returns how many seconds the key frames of a stream are apart at most, in its first so many; 0 when
// there is no telling.
func (a *Attempt) KeyFramesApart(ctx context.Context, v probe.Stream, seconds float64) (float64, error) {
	out := &bounded{limit: 4 << 20}
	args := append(sandbox.Guards(a.Task.Limits), "-select_streams", strconv.Itoa(v.Index), "-show_entries",
		"packet=pts_time,flags", "-read_intervals", "%+"+Number(seconds), "-of", "csv=p=0", "-i", sandbox.InputName)
	if _, err := a.Box.Run(ctx, a.Programs.FFprobe, args, out); ctx.Err() != nil {
		return 0, err
	} else if err != nil {
		return 0, nil //nolint:nilerr // what is wrong with the input is said when it is decoded
	}
	return apart(out.Bytes()), nil
}

// apart returns the longest way between key frames in ffprobe's list of packets, 12.480000,K_ each. The last packet
// counts as one: the next key frame may be farther.
func apart(list []byte) (most float64) {
	last, key := 0.0, 0.0
	for line := range bytes.Lines(list) {
		text, flags, _ := strings.Cut(strings.TrimSpace(string(line)), ",")
		at, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		if last = max(last, at); strings.HasPrefix(flags, "K") {
			most, key = max(most, at-key), at
		}
	}
	return max(most, last-key)
}

package attempt

import (
	"context"
	"slices"

	"github.com/polyglot-media/siren/worker/media/probe"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// Measure adds to Info how long the input and its streams are where the container doesn't say, as that of a live
// recording doesn't: by a pass over its packets, which decodes none.
func (a *Attempt) Measure(ctx context.Context) error {
	said := !slices.ContainsFunc(a.Info.Streams, func(s probe.Stream) bool {
		return (s.Type == "video" || s.Type == "audio") && s.Disposition.AttachedPicture == 0 && s.Duration <= 0
	})
	if said || a.jumps || a.Info.Still() {
		return nil
	}
	if a.Parts != nil {
		if err := a.rest(); err != nil {
			return err
		}
	}
	var p probe.Packets
	args := append(sandbox.Guards(a.Task.Limits), "-show_entries", probe.PacketEntries, "-of", "csv=p=0", "-i",
		sandbox.InputName)
	if _, err := a.Box.Run(ctx, a.Programs.FFprobe, args, &p); ctx.Err() != nil {
		return err
	} // what is wrong with the input is said when it is decoded
	a.Info.Measure(&p)
	return nil
}

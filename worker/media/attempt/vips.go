package attempt

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/polyglot-media/siren/lanes/work"
	"github.com/polyglot-media/siren/worker/media/vips"
	"github.com/polyglot-media/siren/worker/sandbox"
)

// Look is Inspect for what libvips decodes: that the input is a picture, what is in it, and that it stays within
// bounds.
func (a *Attempt) Look(ctx context.Context) (vips.Picture, error) {
	head := make([]byte, 64)
	n, _ := a.Box.Input.ReadAt(head, 0)
	format := vips.Recognise(head[:n])
	if format == "" {
		is := "no picture that Siren reads"
		if what := a.disguise(); what != "" {
			is = what + ", and nothing that it names or draws is followed"
		}
		return vips.Picture{}, work.Fail(work.BadInput, fmt.Errorf("input %s is %s: give a jpg, png, webp, gif, tiff, "+
			"HEIC or AVIF; of a video, use the kind thumbnail", a.From, is))
	}
	if err := a.whole(); err != nil {
		return vips.Picture{}, err
	}
	out := &bounded{limit: 4 << 20}
	_, err := a.vips(ctx, a.Programs.VipsHeader, []string{"-a", sandbox.InputPath}, format == vips.HEIF, out)
	if out.over {
		return vips.Picture{}, work.Fail(work.OverLimit, fmt.Errorf("input %s describes itself in more than %d MiB",
			a.From, out.limit>>20))
	} else if err != nil {
		return vips.Picture{}, err
	}
	p, err := vips.Read(out.String(), format)
	if err != nil {
		return p, a.unreadable(err.Error())
	}
	if p.Width > sandbox.MaxPixels/p.Height {
		return p, sandbox.TooManyPixels(fmt.Sprint(p.Width), fmt.Sprint(p.Height))
	}
	return p, nil
}

// Vips makes of the picture p, the input or a file in the scratch folder, what w wishes.
func (a *Attempt) Vips(ctx context.Context, file string, p vips.Picture, w vips.Wish) error {
	heif := p.Format == vips.HEIF || w.Format == "avif"
	if w.KeepsProfile() {
		if err := a.writeProfile(ctx, heif); err != nil {
			return err
		}
	}
	for _, args := range w.Steps(p, file) {
		said, err := a.vips(ctx, a.Programs.Vips, args, heif, io.Discard)
		if err != nil {
			return err
		}
		if damage := vips.Damage(said); damage != "" {
			a.Warn("input %s is damaged: parts of it couldn't be decoded (%s)", a.From, damage)
		}
	}
	return nil
}

// writeProfile writes down what the input says its colours mean.
func (a *Attempt) writeProfile(ctx context.Context, heif bool) error {
	out := &bounded{limit: 8 << 20}
	args := []string{"-f", "icc-profile-data", sandbox.InputPath}
	if _, err := a.vips(ctx, a.Programs.VipsHeader, args, heif, out); err != nil {
		return err
	}
	profile, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(out.Bytes())))
	if err != nil {
		return a.unreadable("its colour profile is damaged; set profile to srgb")
	}
	if err := a.Dir.WriteFile(vips.ProfileName, profile, 0o600); err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	return nil
}

// vips runs one of libvips' programs on the input, and returns what it said. heif is whether it needs the decoder or
// encoder of HEIC and AVIF. vips' cache is of no use in a process that does one thing, but without it libvips 8.16
// writes profiles that it can't read again.
func (a *Attempt) vips(ctx context.Context, program string, args []string, heif bool, out io.Writer) (string, error) {
	if program == "" { // another worker may have it
		return "", work.Fail(work.Transient, errors.New("libvips' programs, which make pictures, are not installed on "+
			"this worker: install the package libvips-tools"))
	}
	a.Box.Env = vips.Environment(a.Task.Limits.Threads, heif)
	said, err := a.Box.Run(ctx, program, args, out)
	a.Box.Env = nil
	switch {
	case work.KindOf(err) == work.BadInput:
		return "", a.unreadable(vips.InWords(err.Error()))
	case err != nil:
		return "", err
	case vips.Starved(said):
		return "", sandbox.NeedsMemory(a.Task.Limits, sandbox.LastWord(said))
	case a.Dir.Full():
		return "", work.Fail(work.Transient, fmt.Errorf("vips could not write all of its output: the scratch disk is "+
			"full (%s)", sandbox.LastWord(said)))
	}
	return said, nil
}

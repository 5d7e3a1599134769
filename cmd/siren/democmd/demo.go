package democmd

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/democmd/report"
	"github.com/polyglot-media/siren/cmd/siren/runcmd"
	"github.com/polyglot-media/siren/cmd/siren/serve"
)

//go:embed onequeue.yaml
var oneQueueYAML string

func New(a *app.App) *cobra.Command {
	d := Demo{Load: Everyday()}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch real media jobs go through three lanes, and wait without them",
		Long: `Make a few clips, start a private RabbitMQ, Redis and fleet, enqueue a burst of bulk and
standard transcodes that keeps every slot busy, and put express thumbnails on top. Then
run the same jobs again on as many workers without lanes, through one queue. At the end
every output is checked with ffprobe, and a report compares how long the jobs waited. It
takes about two minutes and leaves nothing running. With --keep the lanes have their web page
to look at from the beginning, and jobs go on coming until Ctrl-C.`,
		Example: "  siren demo\n  siren demo --keep\n  siren demo --input holiday.mp4 --dir ./demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.Page.AnyPort = !cmd.Flags().Changed("address")
			return d.Run(cmd.Context(), a)
		},
	}
	f := c.Flags()
	f.StringVar(&d.Input, "input", "", "a video of your own instead of the made clips")
	f.StringVar(&d.Dir, "dir", "", "folder that keeps clips, outputs and logs (default a temporary one)")
	f.BoolVar(&d.Keep, "keep", false, "show the web page, and go on with more jobs until Ctrl-C")
	f.StringVar(&d.Page.Address, "address", runcmd.PageAddress, "address of that page, on this machine; where it is "+
		"taken, and isn't given, another port")
	f.StringVar(&d.Report, "report", "demo-report.html", "where to write the report")
	f.StringVar(&d.Picture, "picture", "", "where to write the report's headline and waits as an SVG (default nowhere)")
	app.CompleteFlag(c, "input", app.Files())
	app.CompleteFlag(c, "dir", app.Folders)
	app.CompleteFlag(c, "report", app.Files("html"))
	app.CompleteFlag(c, "picture", app.Files("svg"))
	return c
}

// Demo is one run of `siren demo`: two trials of one load, and what is made of them.
type Demo struct {
	Input, Dir, Report, Picture string
	Keep                        bool        // go on with the lanes' trial until the context ends
	Page                        runcmd.Page // of the lanes' trial, if that is kept
	Load                        Load
	Self                        string               // the siren that the workers are; "": this one
	Given                       func() serve.Servers // the servers of the next trial; nil: private ones

	dir  string
	made []string // files that weren't there before
}

// Run runs both trials, writes the report, and fails when any output isn't right. A demo that is kept goes on then
// until ctx ends.
func (d *Demo) Run(ctx context.Context, a *app.App) error {
	if err := d.makeDir(); err != nil {
		return err
	}
	if d.Dir == "" {
		defer os.RemoveAll(d.dir)
	}
	defer d.clear()
	err := d.run(ctx, a)
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted: the demo has ended, and nothing of it runs any more")
	}
	return err
}

func (d *Demo) run(ctx context.Context, a *app.App) error {
	if err := d.makeRoom(); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "making the source clips …")
	if err := d.makeClips(ctx); err != nil {
		return err
	}
	withYAML, err := runcmd.Below(runcmd.LocalYAML, d.dir)
	if err != nil {
		return err
	}
	with := &trial{Demo: d, name: "lanes", yaml: withYAML}
	if d.Keep {
		with.then = func(ctx context.Context) error {
			if err := d.compare(ctx, a, with); err != nil {
				return err
			}
			return with.goOn(ctx, a)
		}
		return with.run(ctx, a)
	}
	if err := with.run(ctx, a); err != nil {
		return err
	}
	return d.compare(ctx, a, with)
}

// compare runs the same jobs without lanes, reports both trials, and fails when any output isn't right.
func (d *Demo) compare(ctx context.Context, a *app.App, with *trial) error {
	withoutYAML, err := runcmd.Below(oneQueueYAML, d.dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, "\nThe same jobs again, at the same times, without lanes: one queue for all, as many workers.")
	without := &trial{Demo: d, name: "onequeue", yaml: withoutYAML, times: with.came}
	if err := without.run(ctx, a); err != nil {
		return err
	}
	r := report.Report{With: with.Trial, Without: without.Trial}
	r.Facts = d.facts(ctx, r)
	if err := d.sumUp(a, r); err != nil {
		return err
	}
	if err := d.write(r, with.yaml, withoutYAML); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return d.prove(a, r, slices.Concat(with.bad, without.bad))
}

// makeDir finds the folder for everything.
func (d *Demo) makeDir() (err error) {
	if d.Dir == "" {
		d.dir, err = os.MkdirTemp("", "siren-demo-")
		return err
	}
	d.dir, err = filepath.Abs(d.Dir)
	return err
}

// makeRoom makes sure that the report can be written, now rather than after minutes, and makes the folder of the clips.
func (d *Demo) makeRoom() error {
	for _, path := range []string{d.Report, d.Picture} {
		if path == "" {
			continue
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		switch {
		case err == nil:
			d.made = append(d.made, path)
		case errors.Is(err, fs.ErrExist):
			f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		}
		if err != nil {
			return fmt.Errorf("the report can't be written: %w; choose another place with --report", err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(d.dir, "in"), 0o755)
}

// clear removes the files that makeRoom made and nothing was written to.
func (d *Demo) clear() {
	for _, path := range d.made {
		if is, err := os.Stat(path); err == nil && is.Size() == 0 {
			_ = os.Remove(path)
		}
	}
}

// lastLines returns the end of a file, for an error.
func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

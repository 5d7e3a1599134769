package walk

import (
	"context"
	"time"

	"github.com/polyglot-media/siren/test/bench/report"
	"github.com/polyglot-media/siren/test/bench/stand"
	"github.com/polyglot-media/siren/test/wait"
)

// settleDown is how long a worker idles before its memory is read: a few heartbeats.
const settleDown = 2500 * time.Millisecond

// Start measures one idle worker process: the time from its creation to its first heartbeat, and its resident memory.
func Start(ctx context.Context, b *stand.Bench) ([]report.Figure, error) {
	first := report.Figure{Name: "worker, exec to first heartbeat", Unit: "ms"}
	memory := report.Figure{Name: "idle worker, resident memory", Unit: "MiB"}
	for run := range b.Runs {
		b.Say("start a worker, run %d of %d", run+1, b.Runs)
		p, err := workerProcess(ctx, b)
		if err != nil {
			return nil, err
		}
		err = wait.Pause(ctx, settleDown)
		var resident float64
		if err == nil {
			resident, err = p.resident()
		}
		if stopped := p.stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return nil, err
		}
		first.Siren, memory.Siren = append(first.Siren, report.Millis(p.beatIn)), append(memory.Siren, resident)
	}
	return []report.Figure{first, memory}, nil
}

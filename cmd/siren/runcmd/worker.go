package runcmd

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/serve"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/role"
)

// mostThreads is how many threads a media program gets by default on a machine with more cores: x264 gains little from
// more, and each takes some of the slot's memory.
const mostThreads = 8

func NewWorker(a *app.App) *cobra.Command {
	var f serve.Worker
	c := &cobra.Command{
		Use:   "worker --pool POOL",
		Short: "Run jobs with the slots and the shoulder of a pool",
		Long: `Run jobs with the slots and the shoulder of a pool, until SIGTERM. Then running jobs
may finish within --drain-timeout; what doesn't, or is foreseen not to, is returned to
its lane, which costs it no attempt. A second SIGTERM returns everything at once.

With --mark-pod the worker's pod says whether it runs a job, so that Karpenter and
cluster-autoscaler take no busy worker's node, and one whose pod is killed sooner than
after --drain-timeout returns its jobs in time.

Slots, shoulder and their limits come from the pool in the policy in force, and stay the
same until the worker ends. --slots and the flags beside it set them instead: the chart
does so, so that they match the pod's memory request.`,
		Example: `  SIREN_AMQP_URL=amqp://… SIREN_REDIS_URL=redis://… siren worker --pool general
  siren worker --pool general --slots 1 --shoulder express=1 --slot-memory 1Gi --slot-scratch 2Gi`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if f.Log, err = a.Logger(slog.LevelInfo); err != nil {
				return err
			}
			if err := checkWorker(f); err != nil {
				return exit.With(exit.Usage, err)
			}
			if f.At, err = a.EndpointsOf(role.Worker); err != nil {
				return err
			}
			f.Version = app.Version()
			return f.Run(cmd.Context())
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.Pool, "pool", "", "pool of the policy whose slots this worker has (required)")
	fs.StringVar(&f.Name, "name", "", "unique name of this worker (default the host name and the process id)")
	fs.StringVar(&f.Listen, "listen", "127.0.0.1:0", "address of /metrics, /livez and /readyz; port 0 is any free one")
	fs.StringVar(&f.Scratch, "scratch", "", "folder that gets a folder for the files of running jobs (default the "+
		"system's temporary folder)")
	fs.DurationVar(&f.Drain, "drain-timeout", 30*time.Second, "how long running jobs may go on after SIGTERM")
	fs.BoolVar(&f.MarkPod, "mark-pod", false, "kubernetes: mark the pod, which is called --name, while it runs a job")
	fs.DurationVar(&f.Notice, "notice-timeout", 0, "how long running jobs may go on when the pod's node shuts down, "+
		"beside --mark-pod (0: --drain-timeout)")
	fs.IntVar(&f.Threads, "threads", min(runtime.NumCPU(), mostThreads),
		"threads that one job's media programs may use; each takes memory (0: as many as they like)")
	fs.IntVar(&f.Slots, "slots", 0, "shared slots, instead of those that the policy gives the pool")
	fs.StringToIntVar(&f.Shoulder, "shoulder", nil, "extra slots for one lane, beside --slots: `LANE=N`")
	fs.TextVar(&f.Slot.Memory, "slot-memory", lanes.Bytes(0),
		"address space of each process of a job, beside --slots: 2Gi (0: the policy's)")
	fs.TextVar(&f.Slot.Scratch, "slot-scratch", lanes.Bytes(0),
		"size of each file of a job, beside --slots: 4Gi (0: the policy's)")
	fs.BoolVar(&f.NoNice, "no-nice", false, "do not lower the OS priority of less urgent lanes (for benchmarks)")
	fs.Lookup("threads").DefValue = fmt.Sprintf("one a core, %d at most", mostThreads) // the same on every machine
	app.CompleteFlag(c, "pool", a.CompletePools)
	app.CompleteFlag(c, "scratch", app.Folders)
	_ = fs.MarkHidden("no-nice")
	_ = c.MarkFlagRequired("pool")
	return c
}

// checkWorker refuses what can't be.
func checkWorker(f serve.Worker) error {
	for lane, n := range f.Shoulder {
		if n < 1 || len(f.Shoulder) > 1 {
			return fmt.Errorf("--shoulder %s=%d: a worker has one shoulder, with at least one slot, as in express=1",
				lane, n)
		}
	}
	switch {
	case f.MarkPod && f.Name == "":
		return errors.New("--mark-pod needs --name, which has to be the pod's name")
	case f.Notice != 0 && !f.MarkPod:
		return errors.New("--notice-timeout goes with --mark-pod: only its pod tells a worker that its node shuts down")
	case f.Slots < 0:
		return fmt.Errorf("--slots %d: give at least 1", f.Slots)
	case f.Slots == 0 && (len(f.Shoulder) > 0 || f.Slot != lanes.SlotLimits{}):
		return errors.New("--shoulder, --slot-memory and --slot-scratch go with --slots: without it the policy says " +
			"all of them")
	}
	return nil
}

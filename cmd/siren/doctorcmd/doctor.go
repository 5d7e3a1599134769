package doctorcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/internal/doctor/broker"
	"github.com/polyglot-media/siren/internal/doctor/cluster"
	"github.com/polyglot-media/siren/internal/doctor/database"
	"github.com/polyglot-media/siren/internal/doctor/fleet"
	"github.com/polyglot-media/siren/internal/doctor/management"
	"github.com/polyglot-media/siren/internal/doctor/media"
	"github.com/polyglot-media/siren/internal/kube"
	"github.com/polyglot-media/siren/internal/kube/inspect"
	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/redis/redislink"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/plain"
	"github.com/polyglot-media/siren/lanes/role"
	"github.com/polyglot-media/siren/worker/storage"
)

// areas are what siren doctor looks at, in its order, each with its title and the roles that it matters to (none: all).
var areas = []area{
	{name: "broker", title: "RabbitMQ", look: (*examination).broker},
	{name: "redis", title: "Redis", look: (*examination).redis},
	{name: "clock", title: "Clocks", look: (*examination).clock},
	{name: "fleet", title: "Fleet and policy", look: (*examination).fleet},
	{name: "kubernetes", title: "Kubernetes", roles: []string{role.Scaler}, look: (*examination).kubernetes},
	{name: "media", title: "Media programs", roles: []string{role.Worker}, look: (*examination).media},
	{name: "storage", title: "Storage", roles: []string{role.Worker}, look: (*examination).storage},
}

type area struct {
	name, title string
	roles       []string
	look        func(*examination, context.Context) []doctor.Finding
}

// called reports whether a person who says name means the area: by its name, its title, or a word of that.
func (a area) called(name string) bool {
	title := strings.ToLower(a.title)
	words := slices.DeleteFunc(strings.Fields(title), func(w string) bool { return w == "and" })
	return slices.Contains(append(words, a.name, title), strings.ToLower(name))
}

func areaNames() (names []string) {
	for _, area := range areas {
		names = append(names, area.name)
	}
	return names
}

// areaWithin bounds what is looked at in one area: a server that hangs must not keep the rest from being told.
const areaWithin = time.Minute

// doctorFlags is what `siren doctor` may be told.
type doctorFlags struct {
	policy     string
	management string
	only       []string
	roles      []string
	told       bool // which roles
	scratch    string
	failOn     string
	kube       app.KubeFlags
	output     show.Output
}

func NewDoctor(a *app.App) *cobra.Command {
	f := doctorFlags{failOn: "warning"}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for everything that would keep Siren from working, and say how to fix it",
		Long: `Look at RabbitMQ, Redis, clocks, the fleet, Kubernetes, ffmpeg and storage as the
processes of Siren use them, and say what is wrong, why it matters, and the exact fix.

Nothing is changed: it tries rights with queues and files of its own, which it deletes at
once, and in a Redis transaction that it discards (what it may not do shows in ACL LOG).
It takes no job and leaves none behind. What can't be looked at from here becomes a note
that says what it needs.

--role says what this machine and its URLs are for: a worker needs ffmpeg and the
storage, a scaler the right to declare queues and to scale Deployments, a producer may
only enqueue. Without it they must serve all three, and the login of Redis a person; the
chart's pods know theirs.

The exit code is 0 when all is well or only noted, 7 when the worst is a warning, and 1
when something doesn't work; with --fail-on error a warning is 0 too.`,
		Example: `  siren doctor
  siren doctor --role producer --only broker,redis
  SIREN_MANAGEMENT_URL=http://… siren doctor --policy siren.yaml
  kubectl exec deploy/siren-worker-general -- siren doctor
  siren doctor -o json --fail-on error`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if release := os.Getenv("SIREN_RELEASE"); release != "" && !cmd.Flags().Changed("lease") {
				f.kube.Lease = release + "-scaler"
			}
			return runDoctor(cmd.Context(), a, f)
		},
	}
	fs := c.Flags()
	names := areaNames()
	fs.StringVar(&f.policy, "policy", "",
		"policy `FILE` to go by, and to compare with the one in force (default the one in force)")
	fs.StringVar(&f.management, "management-url", "",
		"`URL` of RabbitMQ's management API: it alone tells of policies and nodes (default SIREN_MANAGEMENT_URL)")
	fs.StringSliceVar(&f.only, "only", nil, "look only at these `AREAS`: "+say.Listed(names)+
		"; a heading's words do, too")
	fs.StringSliceVar(&f.roles, "role", nil,
		"what this machine and its URLs are for, `ROLES`: "+say.Listed(examined())+
			" (default SIREN_ROLE, else all but gateway)")
	fs.StringVar(&f.scratch, "scratch", "", "scratch folder of the workers here (default SIREN_SCRATCH, else theirs)")
	app.OneOf(c, &f.failOn, "fail-on", "", "the least that makes the exit code other than 0", "warning", "error")
	f.kube.AddNames(fs)
	app.FormFlag(c, &f.output, "table", "wide", "json", "yaml")
	app.CompleteFlag(c, "policy", app.Files("yaml", "yml"))
	app.CompleteFlag(c, "scratch", app.Folders)
	app.CompleteFlag(c, "only", app.Fixed(names...))
	app.CompleteFlag(c, "role", app.Fixed(examined()...))
	return c
}

func runDoctor(ctx context.Context, a *app.App, f doctorFlags) error {
	if err := f.complete(); err != nil {
		return exit.With(exit.Usage, err)
	}
	d, err := newExamination(ctx, a, f)
	if err != nil {
		return err
	}
	defer d.close()
	found := d.examine(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	report := doctor.NewReport(areaNames(), found)
	switch f.output.Format {
	case "json", "yaml":
		err = f.output.Print(a.Out, report)
	default:
		err = printReport(a.Out, report, f.output.Format == "wide")
	}
	switch {
	case err != nil:
		return err
	case report.Worst == doctor.Error:
		return exit.With(exit.Failed, errSaid)
	case report.Worst == doctor.Warning && f.failOn == "warning":
		return exit.With(exit.Warnings, errSaid)
	default:
		return nil
	}
}

// errSaid is a failure that the output has told.
var errSaid = errors.New("")

// examined returns the roles that a machine may be for. When none is named, it is taken for one of all but a gateway.
func examined() []string { return append(role.All(), role.Gateway) }

// complete takes from the environment what no flag says, and refuses what isn't there.
func (f *doctorFlags) complete() error {
	f.management = cmp.Or(f.management, os.Getenv("SIREN_MANAGEMENT_URL"))
	f.scratch = cmp.Or(f.scratch, os.Getenv("SIREN_SCRATCH"))
	f.kube.Policy = cmp.Or(f.kube.Policy, os.Getenv("SIREN_POLICY_CONFIGMAP"))
	f.kube.Selector = cmp.Or(f.kube.Selector, os.Getenv("SIREN_SELECTOR"))
	if role := os.Getenv("SIREN_ROLE"); len(f.roles) == 0 && role != "" {
		f.roles = strings.Split(role, ",")
	}
	if f.told = len(f.roles) > 0; !f.told {
		f.roles = role.All()
	}
	for _, r := range f.roles {
		if !slices.Contains(examined(), r) {
			return fmt.Errorf("no role %q%s", r, plain.ThereAre(r, examined()))
		}
	}
	names := areaNames()
	for i, name := range f.only {
		at := slices.IndexFunc(areas, func(a area) bool { return a.called(name) })
		if at < 0 {
			return fmt.Errorf("no area %q%s", name, plain.ThereAre(name, names))
		}
		f.only[i] = areas[at].name
	}
	return nil
}

// discard keeps to itself what doctor says in findings.
var discard = slog.New(slog.DiscardHandler)

// examination is one run of doctor, and what its parts need of each other.
type examination struct {
	doctorFlags
	asked     reach.Flags
	endpoints reach.Endpoints
	nowhere   error            // why endpoints says nothing
	store     *redislink.Store // nil: it isn't known where Redis is
	file      *lanes.Policy
	wrong     error            // why the policy's file can't be used
	inForce   *lanes.Effective // nil: none is known
}

func newExamination(ctx context.Context, a *app.App, f doctorFlags) (*examination, error) {
	d := &examination{doctorFlags: f, asked: a.Asked}
	if f.policy != "" {
		d.file, d.wrong = lanes.Load(f.policy)
	}
	d.endpoints, d.nowhere = a.Endpoints()
	if exit.Code(d.nowhere) == exit.Usage {
		return nil, d.nowhere
	}
	if d.nowhere != nil {
		return d, nil
	}
	store, err := d.endpoints.Store(discard)
	if err != nil {
		return nil, err
	}
	d.store = store
	if effective, err := redis.NewBoard(d.store, discard).Policy(ctx); err == nil {
		d.inForce = &effective
	}
	return d, nil
}

func (d *examination) close() {
	if d.store != nil {
		d.store.Close()
	}
}

// going returns the policy to go by: the file's, else the one in force; nil when none is known.
func (d *examination) going() *lanes.Policy {
	switch {
	case d.file != nil:
		return d.file
	case d.inForce != nil:
		return &d.inForce.Policy
	default:
		return nil
	}
}

// served returns the policy that the broker's queues have to fit: the one in force, tunings and all, since the leading
// scaler goes by it; before one is, the file's.
func (d *examination) served() *lanes.Policy {
	if d.inForce != nil {
		return &d.inForce.Policy
	}
	return d.going()
}

// examine looks at every area that was asked for and matters here.
func (d *examination) examine(ctx context.Context) (found []doctor.Finding) {
	for _, area := range areas {
		if len(d.only) > 0 && !slices.Contains(d.only, area.name) {
			continue
		}
		matters := func(role string) bool { return slices.Contains(d.roles, role) }
		if len(area.roles) > 0 && !slices.ContainsFunc(area.roles, matters) {
			found = append(found, doctor.Check(area.name+".role").Note(
				fmt.Sprintf("not looked at: it matters where a %s runs, and this is for a %s", area.roles[0],
					say.Listed(d.roles)),
				"what isn't looked at may be wrong",
				fmt.Sprintf("siren doctor --role %s, where one runs", area.roles[0])))
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, areaWithin)
		found = append(found, area.look(d, ctx)...)
		cancel()
	}
	return found
}

// unknownServer finds that nothing says where a server is.
func unknownServer(check doctor.Check) []doctor.Finding {
	return []doctor.Finding{check.Error("nothing says where it is", "no process of Siren's can start without",
		"set SIREN_AMQP_URL and SIREN_REDIS_URL, choose a context (siren contexts), or start `siren up`")}
}

func (d *examination) broker(ctx context.Context) []doctor.Finding {
	if d.nowhere != nil {
		return unknownServer("broker.reachable")
	}
	known, _ := redis.NewBoard(d.store, discard).KnownQueues(ctx) // what is said of Redis says why there are none
	found := broker.Examine(ctx, broker.Examination{
		Dial: func(purpose string) (*rabbitlink.Conn, error) {
			return d.endpoints.Broker(nil, "siren "+purpose, discard)
		},
		Policy: d.served(), Known: known, Roles: d.roles, Managed: d.management != "",
	})
	if d.management == "" {
		return append(found, management.NotAsked())
	}
	settings, err := d.endpoints.AMQP.TLS()
	if err != nil {
		settings = nil
	}
	return append(found, management.Examine(ctx, d.management, settings, d.endpoints.AMQP.URL, d.served())...)
}

func (d *examination) clock(ctx context.Context) []doctor.Finding {
	if d.store == nil {
		return []doctor.Finding{doctor.Check("clock.here").Note("not compared: nothing says where Redis is",
			"clocks that differ make waits and retries wrong", "set SIREN_REDIS_URL")}
	}
	return append([]doctor.Finding{database.Clock(ctx, d.store)}, fleet.Clocks(ctx, d.store)...)
}

func (d *examination) fleet(ctx context.Context) []doctor.Finding {
	known := fleet.Known{Version: app.Version(), InForce: d.inForce, File: d.file, Wrong: d.wrong}
	return fleet.Examine(ctx, d.store, known)
}

// kubernetes looks at the cluster that this process can reach as a scaler would. The chart names all of a release
// alike, so the Lease's name tells those of the ConfigMaps.
func (d *examination) kubernetes(ctx context.Context) []doctor.Finding {
	client, namespace, err := kube.Connect(d.kube.Namespace, "doctor")
	if err != nil {
		return []doctor.Finding{doctor.Check("kubernetes.cluster").Note("not looked at: no cluster is known here",
			"a scaler with --fleet kubernetes needs rights there", "set KUBECONFIG, or run it in the scaler's pod: "+
				"kubectl exec deploy/siren-scaler -- siren doctor; with local workers nothing")}
	}
	release := strings.TrimSuffix(d.kube.Lease, "-scaler")
	return cluster.Examine(ctx, cluster.Examination{
		Namespace: inspect.Namespace{Client: client, Name: namespace}, Selector: d.kube.Selector, Lease: d.kube.Lease,
		Policy: d.going(),
		State:  cmp.Or(d.kube.State, release+"-state"), PolicyMap: cmp.Or(d.kube.Policy, release+"-policy"),
	})
}

func (d *examination) media(ctx context.Context) []doctor.Finding {
	var room media.Room
	if p := d.going(); p != nil {
		for _, q := range p.Pools {
			_, shoulder := q.Shoulders()
			room.Slots = max(room.Slots, q.Slots+shoulder)
			room.Slot.Memory, room.Slot.Scratch = max(room.Slot.Memory, q.Slot.Memory),
				max(room.Slot.Scratch, q.Slot.Scratch)
		}
	}
	found := media.Examine(ctx, media.Options{Scratch: d.scratch}, room)
	if p := d.going(); p != nil {
		found = append(found, media.JudgePresets(p))
	}
	return found
}

func (d *examination) storage(ctx context.Context) []doctor.Finding {
	p := d.going()
	if p == nil {
		return []doctor.Finding{doctor.Check("storage.prefixes").Note("not looked at: no policy is known",
			"the policy says what jobs may read and write",
			"say --policy FILE, or start `siren scaler`, which publishes the policy in force")}
	}
	return media.ExamineStorage(ctx, media.Options{
		Storage: storage.Options{S3: os.Getenv("SIREN_S3")},
		Scratch: d.scratch,
	}, p.Storage)
}

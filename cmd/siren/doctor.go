package main

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

	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/reach"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/internal/rabbit"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/internal/say"
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/worker/media"
)

// areas are what siren doctor looks at, in its order, each with its title and the roles that it matters to (none: all).
var areas = []area{
	{name: "broker", title: "RabbitMQ", look: (*doctor).broker},
	{name: "redis", title: "Redis", look: (*doctor).redis},
	{name: "clock", title: "Clocks", look: (*doctor).clock},
	{name: "fleet", title: "Fleet and policy", look: (*doctor).fleet},
	{name: "kubernetes", title: "Kubernetes", roles: []string{lanes.ScalerRole}, look: (*doctor).kubernetes},
	{name: "media", title: "Media programs", roles: []string{lanes.WorkerRole}, look: (*doctor).media},
	{name: "storage", title: "Storage", roles: []string{lanes.WorkerRole}, look: (*doctor).storage},
}

type area struct {
	name, title string
	roles       []string
	look        func(*doctor, context.Context) []lanes.Finding
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
	kube       kubeFlags
	output     show.Output
}

func newDoctor(a *app) *cobra.Command {
	f := doctorFlags{failOn: "warning"}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for everything that would keep Siren from working, and say how to mend it",
		Long: `Look at RabbitMQ, Redis, clocks, the fleet, Kubernetes, ffmpeg and storage as the
processes of Siren use them, and say what is wrong, why it matters, and the exact mend.

Nothing is changed: rights are tried with queues and files of its own, which are gone
at once, and in a transaction of Redis that is thrown away (what it may not do shows in
ACL LOG); no job is taken or left behind. What can't be looked at from
here is a note that says what it needs.

--role says what this machine and its URLs are for: a worker needs ffmpeg and the
storage, a scaler the right to declare queues and to scale Deployments, a producer may
only enqueue. Without it they have to do for all three, and the login of Redis for a
person; the chart's pods know theirs.

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
				f.kube.lease = release + "-scaler"
			}
			return a.runDoctor(cmd.Context(), f)
		},
	}
	fs := c.Flags()
	names := make([]string, len(areas))
	for i, area := range areas {
		names[i] = area.name
	}
	fs.StringVar(&f.policy, "policy", "", "policy `FILE` to go by, and to compare with the one in force (default the one in force)")
	fs.StringVar(&f.management, "management-url", "", "`URL` of RabbitMQ's management API: it alone tells of policies and nodes (default SIREN_MANAGEMENT_URL)")
	fs.StringSliceVar(&f.only, "only", nil, "look only at these `AREAS`: "+say.Listed(names))
	fs.StringSliceVar(&f.roles, "role", nil, "what this machine and its URLs are for, `ROLES`: "+say.Listed(lanes.Roles())+" (default SIREN_ROLE, else all)")
	fs.StringVar(&f.scratch, "scratch", "", "scratch folder of the workers here (default SIREN_SCRATCH, else theirs)")
	oneOf(c, &f.failOn, "fail-on", "", "the least that makes the exit code other than 0", "warning", "error")
	f.kube.addNames(fs)
	formFlag(c, &f.output, "table", "wide", "json", "yaml")
	completeFlag(c, "policy", files("yaml", "yml"))
	completeFlag(c, "scratch", folders)
	completeFlag(c, "only", fixed(names...))
	completeFlag(c, "role", fixed(lanes.Roles()...))
	return c
}

func (a *app) runDoctor(ctx context.Context, f doctorFlags) error {
	if err := f.complete(); err != nil {
		return exit.With(exit.Usage, err)
	}
	d, err := a.newDoctor(ctx, f)
	if err != nil {
		return err
	}
	defer d.close()
	found := d.examine(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	report := reportOf(found)
	switch f.output.Format {
	case "json", "yaml":
		err = f.output.Print(a.out, report)
	default:
		err = report.print(a.out, f.output.Format == "wide")
	}
	switch {
	case err != nil:
		return err
	case report.Worst == lanes.Error:
		return exit.With(exit.Failed, errSaid)
	case report.Worst == lanes.Warning && f.failOn == "warning":
		return exit.With(exit.Warnings, errSaid)
	default:
		return nil
	}
}

// errSaid is a failure that the output has told.
var errSaid = errors.New("")

// complete takes from the environment what no flag says, and refuses what isn't there.
func (f *doctorFlags) complete() error {
	f.management = cmp.Or(f.management, os.Getenv("SIREN_MANAGEMENT_URL"))
	f.scratch = cmp.Or(f.scratch, os.Getenv("SIREN_SCRATCH"))
	if role := os.Getenv("SIREN_ROLE"); len(f.roles) == 0 && role != "" {
		f.roles = strings.Split(role, ",")
	}
	if f.told = len(f.roles) > 0; !f.told {
		f.roles = lanes.Roles()
	}
	for _, role := range f.roles {
		if !slices.Contains(lanes.Roles(), role) {
			return fmt.Errorf("no role %q%s", role, lanes.ThereAre(role, lanes.Roles()))
		}
	}
	var names []string
	for _, area := range areas {
		names = append(names, area.name)
	}
	for _, name := range f.only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("no area %q%s", name, lanes.ThereAre(name, names))
		}
	}
	return nil
}

// doctor is one examination, and what its parts need of each other.
type doctor struct {
	doctorFlags
	asked     reach.Flags
	endpoints reach.Endpoints
	nowhere   error        // why endpoints says nothing
	store     *redis.Store // nil: it isn't known where Redis is
	file      *lanes.Policy
	wrong     error            // why the policy's file can't be used
	inForce   *lanes.Effective // nil: none is known
}

func (a *app) newDoctor(ctx context.Context, f doctorFlags) (*doctor, error) {
	d := &doctor{doctorFlags: f, asked: a.asked}
	if f.policy != "" {
		d.file, d.wrong = lanes.Load(f.policy)
	}
	d.endpoints, d.nowhere = a.endpoints()
	if exit.Code(d.nowhere) == exit.Usage {
		return nil, d.nowhere
	}
	if d.nowhere != nil {
		return d, nil
	}
	store, err := d.endpoints.Store(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	d.store = store
	if effective, err := d.board().Policy(ctx); err == nil {
		d.inForce = &effective
	}
	return d, nil
}

func (d *doctor) close() {
	if d.store != nil {
		d.store.Close()
	}
}

func (d *doctor) board() *redis.Board { return redis.NewBoard(d.store, slog.New(slog.DiscardHandler)) }

// going is the policy to go by: the file's, else the one in force; nil when none is known.
func (d *doctor) going() *lanes.Policy {
	switch {
	case d.file != nil:
		return d.file
	case d.inForce != nil:
		return &d.inForce.Policy
	default:
		return nil
	}
}

// served is the policy that the broker's queues have to fit: the one in force, tunings and all, since the leading scaler goes by it; before one is,
// the file's.
func (d *doctor) served() *lanes.Policy {
	if d.inForce != nil {
		return &d.inForce.Policy
	}
	return d.going()
}

// examine looks at every area that was asked for and matters here.
func (d *doctor) examine(ctx context.Context) (found []lanes.Finding) {
	for _, area := range areas {
		if len(d.only) > 0 && !slices.Contains(d.only, area.name) {
			continue
		}
		if len(area.roles) > 0 && !slices.ContainsFunc(area.roles, func(r string) bool { return slices.Contains(d.roles, r) }) {
			found = append(found, lanes.Finding{
				Check: area.name + ".role", Severity: lanes.Note, What: fmt.Sprintf("not looked at: it matters where a %s runs, and this is for a %s", area.roles[0], say.Listed(d.roles)),
				Why: "what isn't looked at may be wrong", Mend: fmt.Sprintf("siren doctor --role %s, where one runs", area.roles[0]),
			})
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, areaWithin)
		found = append(found, area.look(d, ctx)...)
		cancel()
	}
	return found
}

// unknownServer is what is found where nothing says where a server is.
func (d *doctor) unknownServer(check string) []lanes.Finding {
	return []lanes.Finding{{
		Check: check, Severity: lanes.Error, What: "nothing says where it is", Why: "no process of Siren's can start without",
		Mend: "set SIREN_AMQP_URL and SIREN_REDIS_URL, choose a context (siren contexts), or start `siren up`",
	}}
}

func (d *doctor) broker(ctx context.Context) []lanes.Finding {
	if d.nowhere != nil {
		return d.unknownServer("broker.reachable")
	}
	e := rabbit.Examination{
		Dial: func(purpose string) (*rabbit.Conn, error) {
			return d.endpoints.Broker(nil, "siren "+purpose, slog.New(slog.DiscardHandler))
		},
		Policy: d.served(), Roles: d.roles,
	}
	if known, err := d.board().KnownQueues(ctx); err == nil {
		e.Known = known
	}
	return append(rabbit.Examine(ctx, e), d.managed(ctx)...)
}

// managed is what the management API says, or that it wasn't asked.
func (d *doctor) managed(ctx context.Context) []lanes.Finding {
	if d.management == "" {
		return []lanes.Finding{{
			Check: "broker.management", Severity: lanes.Note, What: "the broker's own policies, its nodes and their alarms weren't looked at: AMQP doesn't tell of them",
			Why: "a policy of the broker's with a TTL or a length limit loses jobs",
			Mend: "say --management-url http://USER:PASSWORD@HOST:15672, or look by hand: rabbitmqctl list_policies, and list_operator_policies, must have none whose pattern matches siren.…" +
				" with message-ttl, expires, max-length or delivery-limit",
		}}
	}
	settings, err := d.endpoints.AMQP.TLS()
	if err != nil {
		settings = nil
	}
	m, err := rabbit.OpenManagement(d.management, settings)
	if err != nil {
		return []lanes.Finding{{
			Check: "broker.management", Severity: lanes.Error, What: err.Error(), Why: "policies and nodes of the broker couldn't be looked at", Mend: "correct --management-url, or SIREN_MANAGEMENT_URL",
		}}
	}
	return rabbit.ExamineManagement(ctx, m, d.endpoints.AMQP.URL, d.served())
}

// redis looks at each login that there is here for the roles; of the second on at what it may do alone.
func (d *doctor) redis(ctx context.Context) (found []lanes.Finding) {
	if d.store == nil {
		return d.unknownServer("redis.reachable")
	}
	for i, l := range d.logins() {
		store, err := l.at.Store(slog.New(slog.DiscardHandler))
		if err != nil {
			return append(found, lanes.Finding{
				Check: "redis.reachable", Severity: lanes.Error, What: err.Error(), Why: "no process of Siren's can start without", Mend: "correct the URL",
			})
		}
		for _, f := range store.Examine(ctx, l.roles...) {
			if i == 0 || f.Check == "redis.reachable" || f.Check == "redis.rights" {
				found = append(found, f)
			}
		}
		store.Close()
	}
	return found
}

// login is a way into Redis, and who goes it.
type login struct {
	at    reach.Endpoints
	roles []string
}

// logins are those of the roles that were said, and a person's beside them, where they differ; a person's alone where none was said.
func (d *doctor) logins() (all []login) {
	roles := []string{lanes.OperatorRole}
	if d.told {
		roles = append(slices.Clone(d.roles), roles...)
	}
	for _, role := range roles {
		at, err := d.asked.As(role).Find()
		if err != nil {
			continue // newDoctor has found the person's
		}
		i := slices.IndexFunc(all, func(l login) bool { return l.at.Redis.URL == at.Redis.URL })
		switch {
		case i < 0:
			all = append(all, login{at, []string{role}})
		case role != lanes.OperatorRole: // else it is there for the others
			all[i].roles = append(all[i].roles, role)
		}
	}
	return all
}

func (d *doctor) clock(ctx context.Context) []lanes.Finding {
	if d.store == nil {
		return []lanes.Finding{{
			Check: "clock.here", Severity: lanes.Note, What: "not compared: nothing says where Redis is", Why: "clocks that differ make waits and retries wrong", Mend: "set SIREN_REDIS_URL",
		}}
	}
	found := d.store.ExamineClock(ctx)
	if workers, _, err := d.roster().Workers(ctx); err == nil {
		found = append(found, judgeClocks(workers)...)
	}
	return found
}

func (d *doctor) roster() *redis.Roster {
	return redis.NewRoster(d.store, slog.New(slog.DiscardHandler))
}

func (d *doctor) media(ctx context.Context) []lanes.Finding {
	var room media.Room
	if p := d.going(); p != nil {
		for _, q := range p.Pools {
			_, shoulder := q.Shoulders()
			room.Slots = max(room.Slots, q.Slots+shoulder)
			room.Slot.Memory, room.Slot.Scratch = max(room.Slot.Memory, q.Slot.Memory), max(room.Slot.Scratch, q.Slot.Scratch)
		}
	}
	return media.Examine(ctx, media.Options{Scratch: d.scratch}, room)
}

func (d *doctor) storage(ctx context.Context) []lanes.Finding {
	p := d.going()
	if p == nil {
		return []lanes.Finding{{
			Check: "storage.prefixes", Severity: lanes.Note, What: "not looked at: no policy is known", Why: "the policy says what jobs may read and write",
			Mend: "say --policy FILE, or start `siren scaler`, which publishes the policy in force",
		}}
	}
	return media.ExamineStorage(ctx, media.Options{S3: os.Getenv("SIREN_S3"), Scratch: d.scratch, Log: slog.New(slog.DiscardHandler)}, p.Storage)
}

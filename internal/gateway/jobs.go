package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/internal/operate"
	"github.com/polyglot-media/siren/internal/operate/dead"
	"github.com/polyglot-media/siren/internal/operate/intake"
	"github.com/polyglot-media/siren/internal/redis"
	"github.com/polyglot-media/siren/lanes/client"
	"github.com/polyglot-media/siren/lanes/job"
)

// Enqueued is what became of a job that was sent.
type Enqueued struct {
	ID   string `json:"id"`
	Lane string `json:"lane,omitempty" doc:"The lane that its labels choose."`
	// Known and Duplicate are as in client.Outcome.
	Known     bool `json:"known,omitempty" doc:"The id was enqueued before. It runs once, so this job may never run."`
	Duplicate bool `json:"duplicate,omitempty" doc:"Another job has the dedupKey: id is its; this one isn't enqueued."`
}

// EnqueuedJobs is what became of all jobs of a request.
type EnqueuedJobs struct {
	Jobs []Enqueued `json:"jobs"`
}

type enqueueIn struct {
	Key     string `header:"Idempotency-Key" doc:"The same key and body enqueue once, and answer the same, for a day."`
	RawBody []byte
}

type enqueueOut struct {
	Status   int
	Location string `header:"Location"`
	Body     json.RawMessage
}

func (g *Gateway) addJobs() {
	registry := g.api.OpenAPI().Components.Schemas
	registry.Map()["Job"] = &huma.Schema{Extensions: jobSchema()}
	one := &huma.Schema{Ref: "#/components/schemas/Job"}
	fewest, most := 1, mostJobs
	many := &huma.Schema{Type: huma.TypeArray, Items: one, MinItems: &fewest, MaxItems: &most}
	on(g, huma.Operation{
		OperationID: "enqueue", Method: http.MethodPost, Path: "/v1/jobs", DefaultStatus: http.StatusAccepted,
		Summary: "Enqueue a job, or up to 1,000",
		Description: "Each job goes into the lane that its labels choose. When this is answered with 202, the broker " +
			"has confirmed all of them. Where one of the jobs can never work, none is enqueued. After 503 some may " +
			"be: send the same again, with the same Idempotency-Key or with ids of your own, and each runs once.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{one, many}}},
		}},
		Responses: map[string]*huma.Response{"202": {
			Description: "The broker has confirmed all jobs.",
			Headers: map[string]*huma.Param{"Location": {
				Description: "Of a single job: where it is looked at.", Schema: &huma.Schema{Type: huma.TypeString},
			}},
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				registry.Schema(reflect.TypeFor[Enqueued](), true, "Enqueued"),
				registry.Schema(reflect.TypeFor[EnqueuedJobs](), true, "EnqueuedJobs"),
			}}}},
		}},
		MaxBodyBytes: mostBody, SkipValidateBody: true, Tags: []string{"jobs"},
		Errors: []int{http.StatusConflict, http.StatusUnprocessableEntity},
	}, g.enqueue, auth.Producer, auth.Operator)

	on(g, huma.Operation{
		OperationID: "list-jobs", Method: http.MethodGet, Path: "/v1/jobs", Tags: []string{"jobs"},
		Summary: "List jobs, the newest first",
		Description: "An answer looks through 5,000 jobs at most: it may have fewer than asked for, or none, and " +
			"still say next.",
		Errors: []int{http.StatusUnprocessableEntity},
	}, g.listJobs, auth.Producer, auth.Reader)
}

// jobSchema is the schema of a job that may leave its id to the gateway.
func jobSchema() map[string]any {
	schema := job.Schema()
	schema["required"] = []string{"input", "output"}
	return schema
}

// enqueue puts the jobs of a request into their lanes.
func (g *Gateway) enqueue(ctx context.Context, in *enqueueIn) (*enqueueOut, error) {
	if len(in.Key) > mostKey {
		return nil, invalid("an Idempotency-Key has at most %d bytes", mostKey)
	}
	s, err := g.read(ctx, in)
	if err != nil {
		return nil, err
	}
	var all EnqueuedJobs
	if in.Key == "" {
		all, err = g.send(ctx, s)
	} else {
		all, err = g.once(ctx, s, in)
	}
	if err != nil {
		return nil, err
	}
	return answer(s, all)
}

// sending is the jobs of a request on their way into their lanes.
type sending struct {
	jobs []job.Job
	one  bool // it is a single job, and not an array of jobs
}

// read reads the jobs of a request. The error says of each that can never work why not.
func (g *Gateway) read(ctx context.Context, in *enqueueIn) (s sending, err error) {
	texts, one, err := textsOf(in.RawBody)
	if err != nil {
		return s, err
	}
	s.one = one
	policy, err := g.Producer.Policy(ctx)
	if err != nil {
		return s, err
	}
	now := g.Now()
	var wrong []*huma.ErrorDetail
	for i, text := range texts {
		j, err := g.readOne(ctx, text, in.Key, i, now)
		if err == nil {
			err = intake.Check(j, policy)
		}
		if err != nil {
			at := "body"
			if !s.one {
				at = fmt.Sprintf("body[%d]", i)
			}
			wrong = append(wrong, &huma.ErrorDetail{Location: at, Message: err.Error()})
		}
		s.jobs = append(s.jobs, j)
	}
	return s, s.refusal(wrong)
}

// textsOf returns the text of each job of a request, and whether it is a single one.
func textsOf(body []byte) (texts []json.RawMessage, one bool, err error) {
	if err := shallow(body); err != nil {
		return nil, false, huma.Error400BadRequest(err.Error())
	}
	one = !bytes.HasPrefix(bytes.TrimSpace(body), []byte("["))
	if one {
		if !json.Valid(body) {
			return nil, one, huma.Error400BadRequest("the body is not JSON")
		}
		return []json.RawMessage{body}, one, nil
	}
	if err := json.Unmarshal(body, &texts); err != nil {
		return nil, one, huma.Error400BadRequest("the body is not JSON: " + err.Error())
	}
	if len(texts) == 0 || len(texts) > mostJobs {
		return nil, one, invalid("a request has 1 to %d jobs; this one has %d", mostJobs, len(texts))
	}
	return texts, one, nil
}

// refusal returns the error that tells why jobs can never work; nil when none is wrong.
func (s sending) refusal(wrong []*huma.ErrorDetail) error {
	if len(wrong) == 0 {
		return nil
	}
	why := wrong[0].Message
	if !s.one {
		why = fmt.Sprintf("%d of the %d jobs can never work, so none is enqueued", len(wrong), len(s.jobs))
	}
	var details []error
	for _, w := range wrong[:min(len(wrong), mostWrong)] {
		details = append(details, w)
	}
	return huma.Error422UnprocessableEntity(why, details...)
}

// mostWrong is how many wrong jobs of a request are told of.
const mostWrong = 50

// readOne reads one job, and makes it its sender's.
func (g *Gateway) readOne(ctx context.Context, text []byte, key string, n int, now time.Time) (job.Job, error) {
	fresh := job.NewID(now)
	if key != "" {
		fresh = idFor(who(ctx), key, n)
	}
	j, err := intake.Read(text, fresh)
	if err != nil {
		return j, err
	}
	err = claimed(&j, who(ctx), j.ID == fresh)
	return j, err
}

// claimed makes a job its tenant's: with their label, and with an id and a dedupKey that nobody else can have.
func claimed(j *job.Job, i auth.Identity, fresh bool) error {
	label, says := j.Labels[dead.TenantLabel]
	switch {
	case i.Tenant == "":
		return nil
	case says && label != i.Tenant:
		return fmt.Errorf("the label tenant is your token's (%s), and not %q: leave it out", i.Tenant, label)
	case !fresh && !strings.HasPrefix(j.ID, i.Tenant+"."):
		return fmt.Errorf("an id of your own begins with your tenant's name and a dot, as in %s.%s; or leave it out",
			i.Tenant, j.ID)
	}
	if j.Labels == nil {
		j.Labels = map[string]string{}
	}
	j.Labels[dead.TenantLabel] = i.Tenant
	if j.DedupKey != "" {
		j.DedupKey = i.Tenant + "." + j.DedupKey
	}
	return nil
}

// idFor makes the id of the nth job of a request with an Idempotency-Key: the same one whenever the request comes, also
// where nobody remembers that it came before.
func idFor(i auth.Identity, key string, n int) string {
	return job.IDOf(fmt.Sprintf("%q %q %q", i.Tenant, i.Subject, key), binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// send enqueues jobs.
func (g *Gateway) send(ctx context.Context, s sending) (all EnqueuedJobs, err error) {
	if why := g.Blocked(); why != "" {
		return all, operate.Unreachable.Errorf("RabbitMQ takes no jobs at this moment (%s); nothing is enqueued", why)
	}
	outcomes := g.Producer.EnqueueBatch(ctx, s.jobs)
	all.Jobs = make([]Enqueued, len(outcomes))
	var failed error
	var enqueued int
	for i, o := range outcomes {
		all.Jobs[i] = Enqueued{ID: o.ID, Lane: o.Lane, Known: o.Known, Duplicate: o.Duplicate}
		if o.Err == nil {
			enqueued++
		} else if failed == nil || errors.Is(o.Err, client.ErrUncertain) {
			failed = o.Err
		}
	}
	switch {
	case failed != nil && s.one:
		return all, failed
	case failed != nil:
		return all, amend(g.problem(ctx, failed),
			fmt.Sprintf("%d of the %d jobs are enqueued; send all of them again: ", enqueued, len(outcomes)))
	}
	return all, nil
}

// amend puts words in front of a problem's.
func amend(err error, words string) error {
	var m *huma.ErrorModel
	if errors.As(err, &m) {
		m.Detail = words + m.Detail
	}
	return err
}

// answer is what is answered when all jobs are enqueued.
func answer(s sending, all EnqueuedJobs) (*enqueueOut, error) {
	out := &enqueueOut{Status: http.StatusAccepted}
	var err error
	if s.one {
		out.Location = "/v1/jobs/" + url.PathEscape(all.Jobs[0].ID)
		out.Body, err = json.Marshal(all.Jobs[0])
	} else {
		out.Body, err = json.Marshal(all)
	}
	return out, err
}

// once enqueues the jobs unless that was done before, and answers the same each time.
func (g *Gateway) once(ctx context.Context, s sending, in *enqueueIn) (all EnqueuedJobs, err error) {
	i := who(ctx)
	key, print := digest(fmt.Appendf(nil, "%q %q %q", i.Tenant, i.Subject, in.Key)), digest(in.RawBody)
	attempt, known, err := g.Once.Begin(ctx, key, print)
	switch {
	case errors.Is(err, redis.ErrOtherRequest):
		return all, invalid("this Idempotency-Key came with another body before: take another key for another request")
	case errors.Is(err, redis.ErrKeyInUse):
		return all, again(huma.Error409Conflict(
			"a request with this Idempotency-Key is being answered, or broke off a moment ago; ask again soon"))
	case err != nil:
		return all, fmt.Errorf("whether this Idempotency-Key came before can't be told, so nothing is enqueued: %w",
			err)
	case known != nil:
		err = json.Unmarshal(known, &all)
		return all, err
	}
	all, err = g.send(ctx, s)
	var text []byte
	if err == nil {
		text, err = json.Marshal(all)
	}
	if forgot := g.Once.End(context.WithoutCancel(ctx), attempt, text); forgot != nil {
		g.log.Warn("the answer to a request with an Idempotency-Key isn't remembered", "error", forgot)
	}
	return all, err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// shallow refuses a body that is deeper than any job.
func shallow(body []byte) error {
	deep, text := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if deep++; deep > mostDeep {
				return fmt.Errorf("the body has more than %d levels", mostDeep)
			}
		case c == '}' || c == ']':
			deep--
		}
	}
	return nil
}

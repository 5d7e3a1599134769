package rabbit

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/polyglot-media/siren/internal/doctor"
	"github.com/polyglot-media/siren/lanes"
)

// Management is the HTTP API of RabbitMQ's management plugin. Siren works without it; it alone tells of policies, nodes and alarms of other nodes.
type Management struct {
	base   *url.URL // without user and password
	user   *url.Userinfo
	client *http.Client
}

// answersWithin bounds one question to the management API.
const answersWithin = 10 * time.Second

// errManagementURL never quotes the URL, which holds a password.
var errManagementURL = errors.New("the URL of the management API is malformed: write http://user:password@host:15672 (https:// and 15671 for TLS), " +
	"with %-escapes for special characters in user and password")

// OpenManagement prepares to ask the management API at a URL. settings are those of TLS, nil for the system's. It does no I/O; the error
// doesn't quote the URL. Without a user in it that of the AMQP URL is taken.
func OpenManagement(address string, settings *tls.Config) (*Management, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errManagementURL
	}
	m := &Management{user: u.User, client: &http.Client{
		Timeout:   answersWithin,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, DisableKeepAlives: true},
	}}
	m.base = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}
	return m, nil
}

// ask reads an answer of the API. The error names no password.
func (m *Management) ask(ctx context.Context, into any, path ...string) error {
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	question := m.base.String() + "/api/" + strings.Join(path, "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, question, nil)
	if err != nil {
		return errManagementURL
	}
	if m.user != nil {
		password, _ := m.user.Password()
		r.SetBasicAuth(m.user.Username(), password)
	}
	answer, err := m.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(io.LimitReader(answer.Body, 64<<20)).Decode(into)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s: %w", question, errNotMonitoring)
	default:
		return fmt.Errorf("%s: %s", question, answer.Status)
	}
}

var errNotMonitoring = errors.New("user or password is wrong, or the user has none of the tags monitoring, policymaker and administrator")

// What is read of the API's answers. Others are left out; so are those that some versions don't have.
type (
	brokerNode struct {
		Name          string   `json:"name"`
		Running       bool     `json:"running"`
		MemAlarm      bool     `json:"mem_alarm"`
		DiskAlarm     bool     `json:"disk_free_alarm"`
		DiskFree      amount   `json:"disk_free"`
		DiskFreeLimit amount   `json:"disk_free_limit"`
		MemUsed       amount   `json:"mem_used"`
		MemLimit      amount   `json:"mem_limit"`
		Partitions    []string `json:"partitions"`
	}
	// brokerPolicy is a policy of RabbitMQ's, or an operator's.
	brokerPolicy struct {
		Name       string         `json:"name"`
		Pattern    string         `json:"pattern"`
		ApplyTo    string         `json:"apply-to"`
		Priority   int            `json:"priority"`
		Definition map[string]any `json:"definition"`
		Operator   bool           `json:"-"`
	}
	brokerQueue struct {
		Name           string `json:"name"`
		Type           string `json:"type"`
		Unacknowledged int    `json:"messages_unacknowledged"`
	}
	binding struct {
		Destination string `json:"destination"`
		Key         string `json:"routing_key"`
	}
)

// amount is a number of bytes; 0 where a node doesn't say one but some word.
type amount int64

// UnmarshalJSON reads a number, and takes anything else for none.
func (a *amount) UnmarshalJSON(text []byte) error {
	var n float64
	if json.Unmarshal(text, &n) == nil {
		*a = amount(n)
	}
	return nil
}

// ExamineManagement looks at what only the management API of the broker tells: policies that change Siren's queues, the nodes and their
// alarms, and what is bound to what. amqpURL says which vhost is Siren's.
func ExamineManagement(ctx context.Context, m *Management, amqpURL string, policy *lanes.Policy) (found []doctor.Finding) {
	to, err := parse(amqpURL)
	if err != nil {
		return nil // Examine says so
	}
	if m.user == nil {
		m.user = url.UserPassword(to.uri.Username, to.uri.Password)
	}
	vhost := to.uri.Vhost
	var nodes []brokerNode
	if err := m.ask(ctx, &nodes, "nodes"); err != nil {
		return []doctor.Finding{{
			Check: "broker.management", Severity: doctor.Error, What: fmt.Sprintf("the management API doesn't answer: %v", err),
			Why:  "policies and other nodes' alarms couldn't be looked at",
			Mend: "check --management-url; rabbitmq-plugins enable rabbitmq_management; rabbitmqctl set_user_tags USER monitoring policymaker",
		}}
	}
	var all, operators []brokerPolicy
	var queues []brokerQueue
	var jobs, stray []binding
	found = append(found, judgeNodes(nodes, policy)...)
	problems := errors.Join(
		m.ask(ctx, &all, "policies", vhost), m.ask(ctx, &operators, "operator-policies", vhost), m.ask(ctx, &queues, "queues", vhost),
	)
	if problems != nil {
		return append(found, doctor.Finding{
			Check: "broker.policies", Severity: doctor.Warning, What: fmt.Sprintf("the policies of vhost %q couldn't be read: %v", vhost, problems),
			Why:  "a policy with a TTL or a length limit loses jobs",
			Mend: "give a user that may: rabbitmqctl set_user_tags USER monitoring policymaker; rabbitmqctl set_permissions --vhost '" + vhost + "' USER '^$' '^$' '^$'",
		})
	}
	for i := range operators {
		operators[i].Operator = true
	}
	found = append(found, judgePolicies(vhost, append(all, operators...), sirens(queues, policy), policy)...)
	found = append(found, judgeUnacknowledged(queues))
	if policy != nil && m.ask(ctx, &jobs, "exchanges", vhost, jobsExchange, "bindings", "source") == nil &&
		m.ask(ctx, &stray, "exchanges", vhost, defaultExchange, "bindings", "source") == nil {
		found = append(found, judgeBindings(jobs, stray, policy))
	}
	return found
}

// sirens are Siren's queues, those that the policy asks for and aren't there yet too, each with its type.
func sirens(there []brokerQueue, p *lanes.Policy) map[string]string {
	all := map[string]string{}
	if p == nil { // every policy has the delays and the dead letters
		p = &lanes.Policy{}
		p.Default()
	}
	x := examiner{Examination: Examination{Policy: p}}
	queues, _ := x.topologyOf()
	for _, w := range queues {
		all[w.name], _ = w.args["x-queue-type"].(string)
	}
	for _, q := range there {
		if strings.HasPrefix(q.Name, laneQueuePrefix) || strings.HasPrefix(q.Name, delayPrefix) || q.Name == deadQueue {
			all[q.Name] = q.Type
		}
	}
	return all
}

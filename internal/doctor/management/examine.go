package management

import (
	"cmp"
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
	"github.com/polyglot-media/siren/internal/rabbit/probe"
	"github.com/polyglot-media/siren/internal/rabbit/topology"
	"github.com/polyglot-media/siren/lanes"
)

// api is the HTTP API of RabbitMQ's management plugin. Siren works without it; it alone tells of policies, nodes and
// alarms of other nodes.
type api struct {
	base   *url.URL // without user and password
	user   *url.Userinfo
	client *http.Client
}

// answersWithin bounds one question to the management API.
const answersWithin = 10 * time.Second

var (
	// errURL never quotes the URL, which holds a password.
	errURL = errors.New("the URL of the management API is malformed: write http://user:password@host:15672 " +
		"(https:// and 15671 for TLS), with %-escapes for special characters in user and password")

	errNotMonitoring = errors.New("user or password is wrong, " +
		"or the user has none of the tags monitoring, policymaker and administrator")
)

// open prepares to ask the API at an address, by default as a user, with settings of TLS, nil for the system's. It does
// no I/O.
func open(address string, user *url.Userinfo, settings *tls.Config) (api, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return api{}, errURL
	}
	client := &http.Client{
		Timeout: answersWithin,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings,
			DisableKeepAlives: true,
		},
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/")}
	return api{base, cmp.Or(u.User, user), client}, nil
}

// ask reads an answer of the API. The error names no password.
func (m api) ask(ctx context.Context, into any, path ...string) error {
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	question := m.base.String() + "/api/" + strings.Join(path, "/")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, question, nil)
	if err != nil {
		return errURL
	}
	password, _ := m.user.Password()
	r.SetBasicAuth(m.user.Username(), password)
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

// What is read of the API's answers. Others are left out; so are those that some versions don't have.
type (
	brokerNode struct {
		Name          string   `json:"name"`
		Running       bool     `json:"running"`
		MemAlarm      bool     `json:"mem_alarm"`
		DiskAlarm     bool     `json:"disk_free_alarm"`
		DiskFree      amount   `json:"disk_free"`
		DiskFreeLimit amount   `json:"disk_free_limit"`
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
		Node           string `json:"node"` // of a classic queue its home
		// Of a quorum queue the nodes that it is on, and those of them that are there.
		Members []string `json:"members"`
		Online  []string `json:"online"`
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

// String writes it in MiB.
func (a amount) String() string { return fmt.Sprintf("%d MiB", int64(a)>>20) }

const answers = doctor.Check("broker.management")

// NotAsked says what isn't known without a management API.
func NotAsked() doctor.Finding {
	return answers.Note("the broker's own policies, its nodes, their alarms and on which of them queues are weren't "+
		"looked at: AMQP doesn't tell of them",
		"a policy of the broker's with a TTL or a length limit loses jobs; a quorum queue with one member stops with "+
			"its node",
		"say --management-url http://USER:PASSWORD@HOST:15672, or look by hand: rabbitmqctl list_policies, and "+
			"list_operator_policies, "+
			"must have none whose pattern matches siren.… with message-ttl, expires, max-length or delivery-limit; "+
			"rabbitmqctl list_queues name members online; and before a node is stopped, on it, rabbitmq-queues "+
			"check_if_node_is_quorum_critical")
}

// Examine looks at what only the management API at the address tells: policies that change Siren's queues,
// the nodes and their alarms, and what is bound to what. amqpURL says which vhost is Siren's.
func Examine(
	ctx context.Context, address string, settings *tls.Config, amqpURL string, policy *lanes.Policy,
) (found []doctor.Finding) {
	login, vhost, unreadable := probe.Login(amqpURL)
	m, err := open(address, login, settings)
	switch {
	case err != nil:
		return []doctor.Finding{answers.Error(err.Error(), "policies and nodes of the broker couldn't be looked at",
			"correct --management-url, or SIREN_MANAGEMENT_URL")}
	case unreadable != nil:
		return nil // broker.Examine says so
	}
	var nodes []brokerNode
	if err := m.ask(ctx, &nodes, "nodes"); err != nil {
		return []doctor.Finding{answers.Error(fmt.Sprintf("the management API doesn't answer: %v", err),
			"policies and other nodes' alarms couldn't be looked at",
			"check --management-url; rabbitmq-plugins enable rabbitmq_management; "+
				"rabbitmqctl set_user_tags USER monitoring policymaker")}
	}
	found = judgeNodes(nodes, policy)
	var all, operators []brokerPolicy
	var queues []brokerQueue
	if err := errors.Join(
		m.ask(ctx, &all, "policies", vhost), m.ask(ctx, &operators, "operator-policies", vhost),
		m.ask(ctx, &queues, "queues",
			vhost),
	); err != nil {
		return append(found, policies.Warning(fmt.Sprintf("the policies of vhost %q couldn't be read: %v", vhost, err),
			"a policy with a TTL or a length limit loses jobs",
			"give a user that may: rabbitmqctl set_user_tags USER monitoring policymaker; "+
				"rabbitmqctl set_permissions --vhost '"+vhost+"' USER '^$' '^$' '^$'"))
	}
	for i := range operators {
		operators[i].Operator = true
	}
	found = append(found, judgePolicies(vhost, append(all, operators...), sirens(queues, policy), policy)...)
	found = append(found, judgeMembers(vhost, nodes, sirensOwn(queues))...)
	found = append(found, judgeUnacknowledged(queues))
	var jobs, stray []binding
	if policy != nil && m.ask(ctx, &jobs, "exchanges", vhost, topology.JobsExchange, "bindings", "source") == nil &&
		m.ask(ctx, &stray, "exchanges", vhost, topology.DefaultExchange, "bindings", "source") == nil {
		found = append(found, judgeBindings(jobs, stray, policy, downQueues(nodes, queues)))
	}
	return found
}

// sirens lists Siren's queues, those that the policy asks for and aren't there yet too, each with its type.
func sirens(there []brokerQueue, p *lanes.Policy) map[string]string {
	all := map[string]string{}
	if p == nil { // every policy has the delays and the dead letters
		p = &lanes.Policy{}
		p.Default()
	}
	for _, w := range probe.WantedQueues(p, "") {
		all[w.Name] = w.Type
	}
	for _, q := range sirensOwn(there) {
		all[q.Name] = q.Type
	}
	return all
}

// downQueues returns those that are away with their node.
func downQueues(nodes []brokerNode, queues []brokerQueue) (names []string) {
	for _, q := range sirensOwn(queues) {
		if q.down(nodes) {
			names = append(names, q.Name)
		}
	}
	return names
}

// sirensOwn returns those of the queues that are Siren's.
func sirensOwn(there []brokerQueue) (own []brokerQueue) {
	for _, q := range there {
		if strings.HasPrefix(q.Name, topology.LaneQueuePrefix) || strings.HasPrefix(q.Name, topology.DelayPrefix) ||
			q.Name == topology.DeadQueue {
			own = append(own, q)
		}
	}
	return own
}

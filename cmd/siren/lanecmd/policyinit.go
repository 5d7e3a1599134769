package lanecmd

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/polyglot-media/siren/cmd/siren/app"
	"github.com/polyglot-media/siren/cmd/siren/exit"
	"github.com/polyglot-media/siren/cmd/siren/show"
	"github.com/polyglot-media/siren/lanes"
)

//go:embed policy.yaml.tmpl
var policyTemplate string

// newPolicy is what a new policy is made of.
type newPolicy struct {
	Read, Write             []string // prefixes
	Workers                 int
	Urgent                  []string // label selectors
	Express, Standard, Bulk time.Duration
	QueueType               string
}

// usualPolicy is what is made when nobody says otherwise.
var usualPolicy = newPolicy{
	Read: []string{"s3://media-in/"}, Write: []string{"s3://media-out/"}, Urgent: []string{"urgent=true"}, Workers: 8,
	Express: 2 * time.Second, Standard: 30 * time.Second, Bulk: 30 * time.Minute, QueueType: lanes.Classic,
}

func newPolicyInit(a *app.App) *cobra.Command {
	n := usualPolicy
	c := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a policy to begin with, commented",
		Long: `Write a policy to begin with: three lanes (express, standard and bulk), two pools, and why each
line is there. Without flags, on a terminal, it asks. Without FILE, or with -, it prints the policy.`,
		Example: `  siren policy init siren.yaml
  siren policy init --read s3://uploads/ --write s3://media/ --workers 20 >siren.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().NFlag() == 0 && show.IsTerminal(a.In) && show.IsTerminal(a.Err) {
				if err := n.ask(a.In, a.Err); err != nil {
					return err
				}
			}
			if err := n.check(); err != nil {
				return exit.With(exit.Usage, err)
			}
			text, err := n.text()
			if err != nil {
				return err
			}
			if len(args) == 0 || args[0] == "-" {
				_, err := io.WriteString(a.Out, text)
				return err
			}
			return writeNew(a, args[0], text)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&n.Read, "read", n.Read, "`PREFIX` of URLs that jobs may read; may be repeated")
	f.StringArrayVar(&n.Write, "write", n.Write, "`PREFIX` of URLs that jobs may write, and read; may be repeated")
	f.IntVar(&n.Workers, "workers", n.Workers, "most workers of all pools together, at least 2: the budget")
	f.StringArrayVar(&n.Urgent, "urgent", n.Urgent, "label `SELECTOR` of jobs for the express lane; may be repeated")
	f.DurationVar(&n.Express, "express", n.Express, "within which `TIME` 95 % of the express jobs should start")
	f.DurationVar(&n.Standard, "standard", n.Standard, "the same of ordinary jobs")
	f.DurationVar(&n.Bulk, "bulk", n.Bulk, "the same of jobs that are labelled batch=true")
	app.OneOf(c, &n.QueueType, "queue-type", "", "`TYPE` of the queues", lanes.Classic, lanes.Quorum)
	return c
}

// writeNew writes a file that isn't there yet.
func writeNew(a *app.App, path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and stays as it is: name another file, or remove it", path)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "wrote %s; siren policy check %s checks what you make of it\n", path, path)
	return nil
}

// ask asks for what the flags say.
func (n *newPolicy) ask(in io.Reader, out io.Writer) error {
	answers := bufio.NewScanner(in)
	span := func(is *time.Duration) func(string) error {
		return func(s string) (err error) {
			if *is, err = time.ParseDuration(s); err != nil || *is <= 0 {
				return fmt.Errorf("%q is not a time: write it as 500ms, 2s or 30m", s)
			}
			return nil
		}
	}
	for _, q := range []struct {
		question, otherwise string
		take                func(string) error
	}{
		{"Which URL prefixes may jobs read?", strings.Join(n.Read, " "), prefixes(&n.Read, lanes.Storage{Read: true})},
		{"Which may they write?", strings.Join(n.Write, " "), prefixes(&n.Write, lanes.Storage{Write: true})},
		{"How many workers may there be at most?", strconv.Itoa(n.Workers), func(s string) (err error) {
			if n.Workers, err = strconv.Atoi(s); err != nil {
				return fmt.Errorf("%q is not a whole number", s)
			}
			return n.enough()
		}},
		{"Which label makes a job urgent?", strings.Join(n.Urgent, " "), func(s string) error {
			n.Urgent = []string{s}
			if _, err := labels.Parse(s); err != nil {
				return fmt.Errorf("%q is not a label: write it as urgent=true", s)
			}
			return leavesBulk(s)
		}},
		{"Within which time should urgent jobs start?", lanes.Duration(n.Express).String(), span(&n.Express)},
		{"And the others?", lanes.Duration(n.Standard).String(), span(&n.Standard)},
	} {
		for {
			fmt.Fprintf(out, "%s [%s] ", q.question, q.otherwise)
			if !answers.Scan() {
				fmt.Fprintln(out)
				return errors.New("stopped asking; nothing was written")
			}
			answer := strings.TrimSpace(answers.Text())
			if answer == "" {
				break
			}
			was := *n
			err := q.take(answer)
			if err == nil {
				break
			}
			*n = was
			fmt.Fprintf(out, "%v; again:\n", err)
		}
	}
	return nil
}

// prefixes returns what takes the prefixes of an answer, which are to be used so.
func prefixes(are *[]string, use lanes.Storage) func(string) error {
	return func(s string) error {
		for _, use.Prefix = range strings.Fields(s) {
			if err := use.Check(); err != nil {
				return err
			}
		}
		*are = strings.Fields(s)
		return nil
	}
}

// enough refuses too few workers.
func (n *newPolicy) enough() error {
	if n.Workers < 2 {
		return fmt.Errorf("there must be at least 2 workers, one for each pool, not %d", n.Workers)
	}
	return nil
}

// leavesBulk refuses a selector of urgent jobs that takes those of the bulk lane.
func leavesBulk(selector string) error {
	s, err := labels.Parse(selector)
	if err != nil || !s.Matches(labels.Set{"batch": "true"}) { // the template's
		return nil
	}
	return fmt.Errorf("the label selector %q also matches jobs labelled batch=true, and the bulk lane would get "+
		"none: choose another for urgent jobs", selector)
}

// check refuses flags that no policy can be made of, whatever else is in it.
func (n *newPolicy) check() error {
	for flag, values := range map[string][]string{"read": n.Read, "write": n.Write, "urgent": n.Urgent} {
		for _, v := range values {
			if strings.TrimSpace(v) == "" {
				return fmt.Errorf("--%s has no value: say which, or leave it out", flag)
			}
		}
	}
	for _, s := range n.Urgent {
		if err := leavesBulk(s); err != nil {
			return fmt.Errorf("--urgent: %w", err)
		}
	}
	return n.enough()
}

// text returns the policy. The error lists everything that is wrong with what it was made of.
func (n *newPolicy) text() (string, error) {
	var b bytes.Buffer
	err := template.Must(template.New("").Funcs(template.FuncMap{
		"span":  func(d time.Duration) string { return lanes.Duration(d).String() },
		"half":  func(n int) int { return max(1, n/2) },
		"least": func(n int) int { return min(max(1, n/4), n-1) },
		"part":  func(d time.Duration) string { return lanes.Duration((d * 2 / 3).Round(time.Millisecond)).String() },
	}).Parse(policyTemplate)).Execute(&b, n)
	if err != nil {
		return "", err
	}
	if _, err := lanes.Parse(b.Bytes()); err != nil {
		return "", fmt.Errorf("such a policy would be refused:\n%w", err)
	}
	return b.String(), nil
}

package snippets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Stage is what programs run on: a gateway that asks for tokens, with a fleet that makes what they want.
type Stage struct {
	Page    string // with the programs
	Gateway string // URL
	Token   string // of a producer
	Input   string // URL of a film
	Outputs string // URL of a folder that jobs may write to, with a slash at its end
	Refused string // URL of an input that the policy's storage doesn't list
}

// ways is how a program in each language is run: its file, and the commands, of which the last one runs it. Debian's
// own Python is meant: another may come first on the PATH.
var ways = map[string]struct {
	file     string
	commands [][]string
}{
	"bash":   {"enqueue.sh", [][]string{{"bash", "enqueue.sh"}}},
	"python": {"enqueue.py", [][]string{{"/usr/bin/python3", "enqueue.py"}}},
	"js":     {"enqueue.mjs", [][]string{{"node", "enqueue.mjs"}}},
	"go":     {"enqueue.go", [][]string{{"go", "build", "enqueue.go"}, {"./enqueue"}}},
}

// Run runs the page's program in the language, in an empty folder, and returns what is wrong with it. It has to get its
// job done through all trouble, to say so, to make no second job when it runs again, and to tell why a job is refused.
func (s Stage) Run(ctx context.Context, language, folder string) error {
	text, err := Of(s.Page, language)
	if err != nil {
		return err
	}
	way := ways[language]
	if err := os.WriteFile(filepath.Join(folder, way.file), []byte(text), 0o600); err != nil {
		return err
	}
	last := len(way.commands) - 1
	for _, c := range way.commands[:last] {
		if said, err := s.command(ctx, folder, c).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", c, err, said)
		}
	}
	trouble, err := Begin(s.Gateway)
	if err != nil {
		return err
	}
	defer trouble.Close()
	key, output := "snippet-"+language, s.Outputs+language+".jpg"
	run := func(gateway, key, input string) (code int, said, complained string) {
		c := s.command(ctx, folder, append(way.commands[last], key, input, output))
		var out, errs strings.Builder
		c.Env, c.Stdout, c.Stderr = append(c.Env, "SIREN_GATEWAY="+gateway), &out, &errs
		if err := c.Run(); c.ProcessState == nil {
			return -1, "", err.Error()
		}
		return c.ProcessState.ExitCode(), out.String(), errs.String()
	}
	for _, gateway := range []string{trouble.URL, s.Gateway} {
		code, said, complained := run(gateway, key, s.Input)
		if code != 0 || !strings.HasPrefix(said, "completed") || !strings.Contains(said, output) {
			return fmt.Errorf("exit code %d, %q, %s; want completed and %s", code, said, complained, output)
		}
	}
	if code, said, complained := run(s.Gateway, key+"-refused", s.Refused); code != 1 ||
		!strings.Contains(complained, "storage") {
		return fmt.Errorf("exit code %d, %q, %s; want 1 and why the job is refused", code, said, complained)
	}
	sent, err := trouble.Survived()
	if err == nil && sent != key {
		err = fmt.Errorf("it has sent its job with the key %q, want %q", sent, key)
	}
	return errors.Join(err, s.single(ctx, output))
}

// command returns a command that has the token.
func (s Stage) command(ctx context.Context, folder string, args []string) *exec.Cmd {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir, c.Env = folder, append(os.Environ(), "SIREN_TOKEN="+s.Token)
	return c
}

// single returns an error unless there is one job with that output, and it is completed.
func (s Stage) single(ctx context.Context, output string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Gateway+"/v1/jobs", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var list struct {
		Jobs []struct{ ID, State, Output string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return err
	}
	var found []string
	for _, j := range list.Jobs {
		if j.Output == output {
			found = append(found, j.ID+" "+j.State)
		}
	}
	if len(found) != 1 || !strings.HasSuffix(found[0], " completed") {
		return fmt.Errorf("jobs with the output %s: %q, want one that is completed", output, found)
	}
	return nil
}

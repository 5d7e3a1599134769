package reach

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Up is what a running `siren up` leaves for other terminals: where its servers listen. The file is readable by its
// owner alone, since the URLs carry passwords.
type Up struct {
	PID      int    `json:"pid"`
	Began    string `json:"began"` // of the process, so that a reused pid isn't taken for it
	AMQPURL  string `json:"amqpURL"`
	RedisURL string `json:"redisURL"`
	// Logins is the URL of Redis with the login of each role, by role; nil where one is for all.
	Logins map[string]string `json:"logins,omitempty"`
	// Until is when it ends at the latest, once it was told to stop; zero before.
	Until time.Time `json:"until,omitzero"`
}

// redisFor returns the URL of Redis with the login of the role.
func (l Up) redisFor(role string) string { return cmp.Or(l.Logins[role], l.RedisURL) }

// localFile returns where `siren up` leaves its local file.
func localFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the state of `siren up`: %w; set XDG_STATE_HOME", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "siren", "up.json"), nil
}

// Running returns the `siren up` of this user that is alive; false when there is none.
func Running() (Up, bool) {
	path, err := localFile()
	if err != nil {
		return Up{}, false
	}
	data, err := os.ReadFile(path)
	var l Up
	if err != nil || json.Unmarshal(data, &l) != nil {
		return Up{}, false
	}
	return l, l.Began != "" && l.Began == began(l.PID)
}

// Taken says that another `siren up` is there.
func (l Up) Taken() error {
	return fmt.Errorf("`siren up` runs already (pid %d); stop it with: kill %d", l.PID, l.PID)
}

// Register leaves this process's servers for other terminals, unless another `siren up` has been quicker; the returned
// function takes them away again. The logins are as in Up.
func Register(amqpURL, redisURL string, logins map[string]string) (forget func(), err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("tell other terminals where the servers are: %w", err)
		}
	}()
	path, err := localFile()
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(Up{
		PID: os.Getpid(), Began: began(os.Getpid()), AMQPURL: amqpURL, RedisURL: redisURL, Logins: logins,
	})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if l, ok := Running(); ok {
		return nil, l.Taken()
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of one that was killed
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(path) }, nil
}

// Stopping tells other terminals that this process was told to stop, and goes on until then at most.
func Stopping(until time.Time) error {
	l, ok := Running()
	if !ok || l.PID != os.Getpid() || l.Until.Equal(until) {
		return nil
	}
	l.Until = until
	path, err := localFile()
	if err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return replaceFile(path, data)
}

// began returns when a process began, as the kernel counts (field 22 of its stat); "" when there is none.
func began(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name in parentheses may hold blanks
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

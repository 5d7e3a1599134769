// Command upload drives the page of examples/upload in Chromium, on a fleet whose gateway asks for tokens and gives
// trouble: drive.mjs says what it looks at. It also runs docs/producers.md's program for Node. scripts/page installs
// what it needs.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/polyglot-media/siren/internal/gateway/auth"
	"github.com/polyglot-media/siren/test/browser"
	"github.com/polyglot-media/siren/test/snippets"
)

func main() {
	siren := flag.String("siren", "bin/siren", "the binary that runs the fleet")
	root := flag.String("root", ".", "the folder of the repository")
	shots := flag.String("shots", "", "a folder for pictures of the page, and of what failed; none are made when empty")
	flag.Parse()
	if err := run(context.Background(), *siren, *root, *shots); err != nil {
		fmt.Fprintln(os.Stderr, "upload:", err)
		os.Exit(1)
	}
}

// token is that of the page's server and of the program for Node.
const token = "siren_only-the-server-has-it"

// told is what drive.mjs is told.
type told struct {
	Page   string `json:"page"`   // URL
	Folder string `json:"folder"` // with the uploads and their results
	Clip   string `json:"clip"`   // a film
	Token  string `json:"token"`  // which must not get out
	Shots  string `json:"shots"`
}

func run(ctx context.Context, siren, root, shots string) error {
	fleet, err := browser.Start(ctx, siren)
	if err != nil {
		return err
	}
	defer fleet.Stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	gateway, err := fleet.Gateway(ctx, browser.Tokens{
		token: {Subject: "upload", Tenant: "acme", Roles: []auth.Role{auth.Producer}},
	})
	if err != nil {
		return err
	}
	if err := node(ctx, fleet, root, gateway); err != nil {
		return fmt.Errorf("docs/producers.md's program for Node: %w", err)
	}
	fmt.Println("ok    docs/producers.md's program for Node")

	trouble, err := snippets.Begin(gateway)
	if err != nil {
		return err
	}
	defer trouble.Close()
	t := told{
		Folder: filepath.Join(fleet.Dir, "page"), Clip: filepath.Join(fleet.Dir, "clip.mp4"), Token: token,
		Shots: shots,
	}
	if t.Page, err = serve(ctx, fleet.Dir, root, t.Folder, trouble.URL); err != nil {
		return err
	}
	err = browser.Drive(ctx, filepath.Join(root, "test/upload/drive.mjs"), t)
	if _, lost := trouble.Survived(); lost != nil {
		err = errors.Join(err, fmt.Errorf("examples/upload: %w", lost))
	}
	return err
}

// node runs the program for Node.
func node(ctx context.Context, fleet *browser.Fleet, root, gateway string) error {
	folder := filepath.Join(fleet.Dir, "node")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	return snippets.Stage{
		Page: filepath.Join(root, "docs/producers.md"), Gateway: gateway, Token: token,
		Input: "file://" + fleet.Dir + "/clip.mp4", Outputs: "file://" + folder + "/", Refused: "file:///etc/hostname",
	}.Run(ctx, "js", folder)
}

// serve builds and starts the page's server, which runs until ctx ends, and returns the page's address.
func serve(ctx context.Context, dir, root, folder, gateway string) (string, error) {
	server := filepath.Join(dir, "upload")
	build := exec.CommandContext(ctx, "go", "build", "-o", server, "./examples/upload")
	build.Dir = root
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build examples/upload: %w: %s", err, said)
	}
	c := exec.CommandContext(ctx, server, folder)
	c.Env = append(os.Environ(), "SIREN_GATEWAY="+gateway, "SIREN_TOKEN="+token, "ADDRESS=127.0.0.1:0")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", err
	}
	go func() { _ = c.Wait() }()
	return strings.TrimSpace(strings.TrimPrefix(line, "open ")), nil
}

package system_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/polyglot-media/siren/test/snippets"
)

// The programs of docs/producers.md do as it says, as they stand there. That for Node is run by test/upload.
func TestSnippets(t *testing.T) {
	s := newSite(t, oneWorker)
	s.scaler()
	file := filepath.Join(s.dir, "tokens.yaml")
	token := s.siren("", "tokens", "create", "upload", "--role", "producer", "--tenant", "acme", "--file", file)
	if token.code != 0 {
		t.Fatal(token)
	}
	stage := snippets.Stage{
		Page: "../../docs/producers.md", Gateway: s.gateway("gateway", "", "--tokens", file).url,
		Token: strings.TrimSpace(token.out), Input: s.put("clip.mp4"), Outputs: s.output("") + "/",
		Refused: "file:///etc/hostname",
	}
	for _, language := range []string{"bash", "python", "go"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if err := stage.Run(t.Context(), language, t.TempDir()); err != nil {
				t.Error(err)
			}
			if err := whole(path(stage.Outputs + language + ".jpg")); err != nil {
				t.Error(err)
			}
		})
	}
}

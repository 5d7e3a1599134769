package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: me, namespace: media}}]
clusters: [{name: lab, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: secret}}]
`

func TestConnect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
	for given, want := range map[string]string{"": "media", "other": "other"} {
		if client, namespace, err := Connect(given, "scaler"); err != nil || client == nil || namespace != want {
			t.Errorf("%q: %q, %v", given, namespace, err)
		}
	}
	t.Setenv("KUBECONFIG", file+".missing")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, _, err := Connect("", "scaler"); err == nil || !strings.Contains(err.Error(), "KUBECONFIG") {
		t.Error(err)
	}
}

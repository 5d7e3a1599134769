package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/polyglot-media/siren/internal/rabbit/rabbitlink"
	"github.com/polyglot-media/siren/internal/redis/redisurl"
	"github.com/polyglot-media/siren/lanes"
)

func TestChartFilesAreUpToDate(t *testing.T) {
	files, err := chartFiles("../../"+chartDir, "../../lanes/policy.go")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is not up to date: run `make generate`", path)
		}
	}
}

// The chart checks of a policy only what it needs to know itself.
func TestExampleValuesHaveValidPolicies(t *testing.T) {
	paths, err := filepath.Glob("../../" + chartDir + "/ci/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no example values: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var values struct {
			Policy     map[string]any
			PolicyFile string
		}
		if err := yaml.Unmarshal(text, &values); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		policy := []byte(values.PolicyFile)
		if values.Policy != nil {
			if policy, err = yaml.Marshal(values.Policy); err != nil {
				t.Fatal(err)
			}
		}
		if len(policy) == 0 {
			continue // the chart's own
		}
		if _, err := lanes.Parse(policy); err != nil {
			t.Errorf("%s:\n%v", path, err)
		}
	}
}

// The example values name RabbitMQ and Redis in a way that the processes understand.
func TestExampleValuesHaveValidURLs(t *testing.T) {
	text, err := os.ReadFile("../../" + chartDir + "/ci/clusters-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ RabbitMQ, Redis struct{ URL string } }
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	if hosts, err := rabbitlink.Parse(values.RabbitMQ.URL); err != nil || len(hosts) != 3 {
		t.Errorf("RabbitMQ: %d hosts, %v", len(hosts), err)
	}
	if at, err := redisurl.Parse(values.Redis.URL); err != nil || at.Master == "" || at.SentinelPassword == "" {
		t.Errorf("Redis: master %q, %v", at.Master, err)
	}
}

func TestReadValues(t *testing.T) {
	root, err := readValues(`# A head.

# -- First, over
# two lines.
# @default what is found
first: ""
# -- A group.
# @pool
group:
  # -- A leaf.
  # @leaf
  leaf:
    free: {a: 1}
    list:
      - more: 2
  # -- A choice.
  # @schema {"enum": ["a", "b"]}
  choice: a # a remark
# -- Last.
last:
  - name: x
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range root.all() {
		got = append(got, v.path()+" "+v.doc)
	}
	want := "first First, over two lines.\ngroup A group.\ngroup.leaf A leaf.\ngroup.choice A choice.\nlast Last."
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	choice := root.children[1].children[1]
	if !choice.pool || choice.extra["enum"] == nil || root.children[0].initial != "what is found" {
		t.Errorf("remarks were lost: %+v", choice)
	}
}

func TestReadValuesRefuses(t *testing.T) {
	for problem, text := range map[string]string{
		`a has no comment`:               "a: 1\n",
		`a has no such remark: @note`:    "# -- A.\n# @note x\na: 1\n",
		`@schema of a`:                   "# -- A.\n# @schema {\na: 1\n",
		`b.c has no comment`:             "# -- B.\nb:\n  c: 1\n",
		`"b" has 1 keys, of which 0`:     "# -- B.\nb: {c: 1}\n",
		`line 3: can't read this:   "c"`: "# -- B.\nb:\n  \"c\": 2\n",
		`line 4: can't read this:     d`: "# -- B.\nb:\n  # -- D.\n    d: 1\n",
		`yaml: `:                         "a: [\n",
	} {
		t.Run(problem, func(t *testing.T) {
			if _, err := readValues(text); err == nil || !strings.Contains(err.Error(), problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The permissions of the RabbitMQ users are written where the chart makes them, and where people read them.
func TestDocsHaveThePermissions(t *testing.T) {
	template, err := os.ReadFile("../../" + chartDir + "/templates/_bundled.tpl")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/rabbitmq.md")
	if err != nil {
		t.Fatal(err)
	}
	permissions := regexp.MustCompile(`"(?:configure|write|read)" "(\^.*\$)"`).FindAllStringSubmatch(string(template),
		-1)
	if len(permissions) != 9 {
		t.Fatalf("found %d permissions in the template, not those of scaler, worker and producer", len(permissions))
	}
	for _, p := range permissions {
		if want := "'" + strings.ReplaceAll(p[1], `\\`, `\`) + "'"; !strings.Contains(string(page), want) {
			t.Errorf("docs/rabbitmq.md doesn't have %s", want)
		}
	}
}

func TestAlertsAskForMetricsThatExist(t *testing.T) {
	alerts, err := os.ReadFile("../../" + chartDir + "/templates/_alerts.tpl")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`siren_[a-z_]+`).FindAllString(string(alerts), -1)
	if len(names) == 0 {
		t.Fatal("found no metrics in the alerts")
	}
	known := metrics()
	for _, name := range names {
		if !strings.Contains(known, "`"+strings.TrimSuffix(name, "_count")+"`") {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// Whoever lists the chart shows its icon, and the images that it runs by default.
func TestChartSaysWhatItBrings(t *testing.T) {
	var chart struct {
		AppVersion, Icon string
		Annotations      map[string]string
	}
	read(t, chartDir+"/Chart.yaml", &chart)
	_, file, found := strings.Cut(chart.Icon, "/main/")
	if icon, err := os.ReadFile("../../" + file); !found || err != nil || !strings.HasPrefix(string(icon), "<svg ") {
		t.Errorf("icon %q: no SVG of the tree: %v", chart.Icon, err)
	}
	type image struct{ Repository, Tag string }
	var values struct {
		Image, WorkerImage image
		RabbitMQ, Redis    struct{ Image image }
	}
	read(t, chartDir+"/values.yaml", &values)
	var want []string
	for _, i := range []image{values.Image, values.WorkerImage, values.RabbitMQ.Image, values.Redis.Image} {
		want = append(want, i.Repository+":"+cmp.Or(i.Tag, chart.AppVersion))
	}
	var images []struct{ Image string }
	if err := yaml.Unmarshal([]byte(chart.Annotations["artifacthub.io/images"]), &images); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range images {
		got = append(got, i.Image)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Chart.yaml lists the images %q, values.yaml has %q", got, want)
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

package lanes

import (
	"encoding"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Problem is one thing wrong with a policy, with the path of the field it is about.
type Problem struct {
	Path    string `json:"path"`    // lanes[2].promote.to
	Message string `json:"message"` // no lane "standrad"; did you mean "standard"?
}

// Problems is every problem of a policy at once. It is an error when it isn't empty.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, q := range p {
		lines[i] = q.Path + ": " + q.Message
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// err is p as an error, nil when there is no problem.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Load reads the policy file at path, fills in defaults and validates it. The error lists every problem (Problems).
func Load(path string) (*Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	p, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("policy %s:\n%w", path, err)
	}
	return p, nil
}

// Parse decodes a policy strictly (unknown and doubled fields are problems), fills in defaults and validates it.
// The error is Problems, or says where the YAML itself breaks.
func Parse(data []byte) (*Policy, error) {
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	var tree any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	var p Policy
	var problems Problems
	decode("", tree, reflect.ValueOf(&p).Elem(), &problems)
	p.Default()
	if found := p.validate(); len(problems) == 0 {
		problems = found
	} else {
		problems = append(problems, problems.unrelated(found)...)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return &p, nil
}

// unrelated is those of found that aren't about a field that p couldn't read (or about what contains one).
func (p Problems) unrelated(found Problems) Problems {
	return slices.DeleteFunc(found, func(f Problem) bool {
		return slices.ContainsFunc(p, func(q Problem) bool {
			return strings.HasPrefix(q.Path, f.Path) || strings.HasPrefix(f.Path, q.Path)
		})
	})
}

// decode puts the JSON value from into the Go value to and notes every problem with its path, where a standard decoder
// stops at the first.
func decode(path string, from any, to reflect.Value, problems *Problems) {
	if from == nil {
		return
	}
	if u, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(fmt.Sprint(from))); err != nil {
			problems.add(path, "%s", err)
		}
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		decode(path, from, to.Elem(), problems)
	case reflect.Struct:
		m, ok := from.(map[string]any)
		if !ok {
			problems.add(where(path), "must be a map of fields, not %s", describe(from))
			return
		}
		decodeFields(path, m, to, problems)
	case reflect.Slice:
		list, ok := from.([]any)
		if !ok {
			problems.add(path, "must be a list, not %s", describe(from))
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, v := range list {
			decode(fmt.Sprintf("%s[%d]", path, i), v, to.Index(i), problems)
		}
	case reflect.Map:
		m, ok := from.(map[string]any)
		if !ok {
			problems.add(path, "must be a map, not %s", describe(from))
			return
		}
		to.Set(reflect.MakeMap(to.Type()))
		for _, k := range sortedKeys(m) {
			v := reflect.New(to.Type().Elem()).Elem()
			decode(path+"."+k, m[k], v, problems)
			to.SetMapIndex(reflect.ValueOf(k), v)
		}
	default:
		raw, _ := json.Marshal(from)
		if err := json.Unmarshal(raw, to.Addr().Interface()); err != nil {
			problems.add(path, "must be %s, not %s", kindName(to.Kind()), describe(from))
		}
	}
}

func decodeFields(path string, from map[string]any, to reflect.Value, problems *Problems) {
	fields := map[string]reflect.Value{}
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = to.Field(i)
	}
	for _, k := range sortedKeys(from) {
		full := strings.TrimPrefix(path+"."+k, ".")
		if f, ok := fields[k]; ok {
			decode(full, from[k], f, problems)
			continue
		}
		problems.add(full, "no such field%s", suggest(k, sortedKeys(fields)))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func where(path string) string {
	if path == "" {
		return "policy"
	}
	return path
}

func describe(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the text %q", v)
	default:
		return fmt.Sprint(v)
	}
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	default:
		return "a text"
	}
}

// suggest is `; did you mean "x"?` for the candidate that is at most two edits away, else nothing.
func suggest(word string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := edits(word, c); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the number of letters to insert, delete, change or swap to get from a to b (optimal string alignment).
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

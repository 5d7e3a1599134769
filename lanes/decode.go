package lanes

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/polyglot-media/siren/lanes/plain"
	"sigs.k8s.io/yaml"
)

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
	tree, problems, err := readYAML(data)
	if err != nil {
		return nil, err
	}
	fields, ok := tree.(map[string]any)
	switch {
	case tree == nil:
		problems.add("policy", "is empty")
		return nil, problems
	case !ok:
		problems.add("policy", "must be a map of fields, not %s", describe(tree))
		return nil, problems
	}
	var p Policy
	decodeFields("", fields, reflect.ValueOf(&p).Elem(), &problems)
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

// doubledField is how the YAML library says that a field is there twice.
var doubledField = regexp.MustCompile(`(line \d+): key (.+) already set in map`)

// nextDocument is where a YAML document begins. All but the first would be passed over in silence.
var nextDocument = regexp.MustCompile(`(?m)^---(\s|$)`)

// readYAML decodes the document into JSON values. Duplicate fields are problems and not an error, since the rest can be
// read.
func readYAML(data []byte) (tree any, problems Problems, err error) {
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		for _, m := range doubledField.FindAllStringSubmatch(err.Error(), -1) {
			problems.add(m[1], "duplicate field %s", m[2])
		}
		if len(problems) == 0 {
			return nil, nil, fmt.Errorf("not YAML: %w", err)
		}
		if raw, err = yaml.YAMLToJSON(data); err != nil {
			return nil, nil, fmt.Errorf("not YAML: %w", err)
		}
	}
	if begins := nextDocument.FindAllIndex(data, 2); len(begins) == 2 || len(begins) == 1 &&
		hasContent(data[:begins[0][0]]) {
		problems.add("policy", "must be one YAML document; another one begins after ---")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, nil, fmt.Errorf("not YAML: %w", err)
	}
	return tree, problems, nil
}

// hasContent reports whether there is more than blank lines, comments and directives.
func hasContent(yaml []byte) bool {
	for line := range bytes.Lines(yaml) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return true
		}
	}
	return false
}

// decode puts the JSON value from into the Go value to and notes every problem with its path, where a standard decoder
// stops at the first.
func decode(path string, from any, to reflect.Value, problems *Problems) {
	if from == nil {
		return
	}
	if u, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		switch from.(type) {
		case map[string]any, []any:
			problems.add(path, "must be a single value, not %s", describe(from))
			return
		}
		if err := u.UnmarshalText([]byte(fmt.Sprint(from))); err != nil {
			problems.add(path, "%s", err)
		}
		return
	}
	if raw, ok := to.Addr().Interface().(*json.RawMessage); ok { // it is checked where its fields are known
		*raw, _ = json.Marshal(from)
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		decode(path, from, to.Elem(), problems)
	case reflect.Struct:
		m, ok := from.(map[string]any)
		if !ok {
			problems.add(path, "must be a map of fields, not %s", describe(from))
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
		for _, k := range slices.Sorted(maps.Keys(m)) {
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

// renamed is what fields were called before, and are called now.
var renamed = map[string]string{"held": "frozen"}

func decodeFields(path string, from map[string]any, to reflect.Value, problems *Problems) {
	fields := map[string]reflect.Value{}
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = to.Field(i)
	}
	for _, k := range slices.Sorted(maps.Keys(from)) {
		full := strings.TrimPrefix(path+"."+k, ".")
		if f, ok := fields[k]; ok {
			decode(full, from[k], f, problems)
			continue
		}
		if _, ok := fields[renamed[k]]; ok {
			problems.add(full, "is called %s now", renamed[k])
			continue
		}
		problems.add(full, "no such field%s", plain.Suggest(k, slices.Sorted(maps.Keys(fields))))
	}
}

func describe(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the string %q", v)
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
		return "a string"
	}
}

package lanes_test

import (
	"fmt"

	"github.com/polyglot-media/siren/lanes"
)

func ExampleParse() {
	p, err := lanes.Parse([]byte(`
lanes:
- {name: express, match: [urgent=true], startWithin: 2s}
- {name: standard, startWithin: 30s}
pools:
- {name: general, lanes: [express, standard], shoulder: {express: 1}, max: 10}
budget: 10
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range p.Lanes {
		fmt.Printf("%s starts within %s, runs at most %s, at nice %d\n", l.Name, l.StartWithin, l.MaxRuntime,
			p.Nice(l.Name))
	}
	// Output:
	// express starts within 2s, runs at most 20m, at nice 0
	// standard starts within 30s, runs at most 20m, at nice 19
}

// Every problem is reported in one go, with its path.
func ExampleParse_problems() {
	_, err := lanes.Parse([]byte(`
lanes:
- {name: express, match: [urgent=true], startWithin: 2s}
- {name: standard, startWithin: 30s}
- {name: bulk, match: [batch=true], startWithin: half an hour, promote: {after: 20m, to: standrad}}
pools:
- {name: general, lanes: [express, standard, bulk]}
budget: 10
`))
	fmt.Println(err)
	// Output:
	// lanes[2].startWithin: "half an hour" is not a duration; write it as 90s, 30m or 1h30m
	// lanes[2].promote.to: no lane "standrad"; did you mean "standard"?
	// pools[0].max: is required: the most workers of this pool, at least 1
}

func ExampleClassifier() {
	p, err := lanes.Load("testdata/siren.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := lanes.NewClassifier(p)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Lane(map[string]string{"tier": "premium", "batch": "true"})) // the most urgent lane that matches
	fmt.Println(c.Lane(map[string]string{"batch": "true"}))
	fmt.Println(c.Lane(nil))
	// Output:
	// express
	// bulk
	// standard
}

package doctor

import (
	"cmp"
	"slices"
)

// Report is all that was found, as JSON and YAML show it.
type Report struct {
	Worst    Severity  `json:"worst"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Notes    int       `json:"notes"`
	OK       int       `json:"ok"`
	Findings []Finding `json:"findings"`
}

// NewReport counts the findings, and sorts them: by area, as areas has them, and the worst of each first.
func NewReport(areas []string, found []Finding) Report {
	slices.SortStableFunc(found, func(x, y Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(areas, x.Area()), slices.Index(areas, y.Area())),
			cmp.Compare(y.Severity, x.Severity))
	})
	r := Report{Worst: Worst(found), Findings: found}
	for _, f := range found {
		*map[Severity]*int{Error: &r.Errors, Warning: &r.Warnings, Note: &r.Notes, OK: &r.OK}[f.Severity]++
	}
	return r
}

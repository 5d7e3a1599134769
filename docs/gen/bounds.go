package main

import (
	"strings"

	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/calendar"
	"github.com/polyglot-media/siren/lanes/kinds"
	"github.com/polyglot-media/siren/lanes/location"
)

// What editors and the chart say of a string that doesn't match its pattern, or that matches one that it must not:
// words of the language servers for JSON and YAML, which validators pass over.
const (
	message    = "patternErrorMessage"
	notMessage = "errorMessage"
)

const (
	nameForm   = `[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?`
	nameIsSaid = "must be lower-case letters, digits and dashes, at most 40, beginning and ending with a letter or " +
		"digit"
	presetIsSaid = "must be a name and a version: web@3"
)

// bounds is what lanes.Validate wants of one field by itself, by its struct and name. What has a default may be 0,
// which is the same as left out.
var bounds = map[string]map[string]any{
	"Policy.Lanes":     {"minItems": 1},
	"Policy.Pools":     {"minItems": 1},
	"Policy.Budget":    {"minimum": 1},
	"Policy.Presets":   {"propertyNames": must("^"+nameForm+"@[1-9][0-9]{0,5}$", presetIsSaid)},
	"Preset.Kind":      {"enum": append([]string{""}, kinds.Names()...)},
	"Lane.Name":        must("^"+nameForm+"$", nameIsSaid),
	"Lane.Match":       {"items": notBlank},
	"Lane.Reserve":     {"minimum": 0},
	"Lane.MaxCrashes":  {"minimum": 0},
	"Lane.Priorities":  {"minimum": 0, "maximum": lanes.MaxPriority},
	"Lane.QueueType":   {"enum": []string{"", lanes.Classic, lanes.Quorum}},
	"Retries.Attempts": {"minimum": 0},
	"Retries.Factor":   {"minimum": 0},
	"Pool.Name":        must("^"+nameForm+"$", nameIsSaid),
	"Pool.Lanes":       {"minItems": 1},
	"Pool.Slots":       {"minimum": 0},
	"Pool.Shoulder":    {"maxProperties": 1, "additionalProperties": map[string]any{"type": "integer", "minimum": 1}},
	"Pool.Min":         {"minimum": 0},
	"Pool.Max":         {"minimum": 1},
	"Schedule.Name":    must("^"+nameForm+"$", nameIsSaid),
	"Schedule.Every":   {"enum": []string{"", calendar.Day, calendar.Week}},
	"SlotLimits.Cores": {"minimum": 0},
	"Broker.QueueType": {"enum": []string{"", lanes.Classic, lanes.Quorum}},
	"Storage.Prefix":   {"allOf": prefixRules},
}

var notBlank = map[string]any{
	"type": "string", "pattern": `\S`,
	message: "is empty and would match every job; leave match out of the default lane",
}

// must returns a rule that a string matches the pattern; else what it says stands behind the string.
func must(pattern, says string) map[string]any {
	return map[string]any{"pattern": pattern, message: says}
}

func mustNot(pattern, says string) map[string]any {
	return map[string]any{"not": map[string]any{"pattern": pattern}, notMessage: says}
}

// prefixRules is what lanes/location says of a policy's prefixes, as far as patterns can: they are read by editors
// (ECMA), Helm and its templates (RE2), so without a look ahead. The first that doesn't hold is told. What they pass,
// the scaler judges.
var prefixRules = []map[string]any{
	mustNot(`[?#]|^[^/]*//[^/]*@`,
		"must have no query, fragment or user; credentials come from the workers' environment"),
	must(aScheme(), "must begin with a scheme: "+location.Either(location.Schemes(false))),
	must(`/$`, "must end in a slash, or it would also allow its neighbours"),
	must(`^([^fF]|[fF][iI][lL][eE]:///)`, "must be file:///absolute/dir/"),
	mustNot(`^[^/]*//[^/]*/(.*/)?(|\.\.?)/`, "must not contain //, /./ or /../"),
	mustNot(`\\|%2[eEfF]|%5[cC]`, "must have its dots and slashes plainly, not percent-encoded, and no backslash"),
	mustNot(`%[01]|%7[fF]|[\x00-\x1f\x7f]`, "must not contain control characters"),
	mustNot(`%([^0-9a-fA-F]|[0-9a-fA-F][^0-9a-fA-F])`, "is not a URL: write % as %25"),
	mustNot(`^[^/]*//[^/]*/(.*/)?\.siren/`, "must not lead into .siren, which belongs to Siren itself"),
	must(`^([^sS]|[sS]3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/)`,
		"must name a bucket of S3: 3 to 63 of a-z 0-9 . -, the first and the last a letter or digit"),
	mustNot(`^[sS]3://[^/]*(\.\.|\.-|-\.)`, "must name a bucket of S3, which has no .. .- or -."),
	must(`^([^gG]|[gG][sS]://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/)`,
		"must name a bucket of Google's: 3 to 222 of a-z 0-9 . _ -, the first and the last a letter or digit"),
	mustNot(`^[gG][sS]://[^/]*(\.\.|[^./]{64})`,
		"must name a bucket of Google's, which has no .. and at most 63 characters between two dots"),
	mustNot(`^([sS]3|[gG][sS])://[0-9]+(\.[0-9]+){3}/`, "must name a bucket, which doesn't look like an IPv4 address"),
	must(`^([^aA]|[a-zA-Z]+://[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/)`,
		"must name a container: 3 to 63 of a-z 0-9 -, the first and the last a letter or digit"),
	mustNot(`^[aA][a-zA-Z]+://[^/]*--`, "must name a container, which has no --"),
	must(`^([^hH]|[a-zA-Z]+://(\[[^\]/]+\]|[^/:@\[\]\\\s]+)(:[0-9]*)?/)`, "must name a host"),
	mustNot(`^[hH][a-zA-Z]+://[^/\[]*:(0+|`+noPort+`)/`, "must have a port from 1 to 65535"),
	mustNot(`^[hH][a-zA-Z]+://(\.|[^/]*\.\.|[^/\[]*[^./:]{64}|[^/:]{255})`,
		"must name a host, which has 1 to 63 characters between two dots"),
	mustNot(`^[hH][a-zA-Z]+://(`+notAddresses+`)\.?(:[0-9]*)?/`,
		"must name a host or an address, of IPv4 as four decimal numbers"),
	mustNot(`^[hH][a-zA-Z]+://(`+internal4+`|`+internal6+`|`+localhost+`)\.?(:[0-9]*)?/`,
		"is not a public address, and inputs are fetched from public addresses only; use s3:// or file:// for "+
			"internal storage"),
}

// aScheme returns the pattern of what begins with a scheme that there is, in any case.
func aScheme() string {
	var names []string
	for _, scheme := range location.Schemes(false) {
		name := ""
		for _, c := range scheme {
			name += "[" + strings.ToLower(string(c)) + strings.ToUpper(string(c)) + "]"
		}
		names = append(names, name)
	}
	return "^(" + strings.Join(names, "|") + ")://"
}

// noPort is a number that no port has. notAddresses are names that end in a number and are no IPv4 address, as some
// read them: of another count than four, with other than digits, octal, too large.
const (
	noPort       = `[1-9][0-9]{5,}|[7-9][0-9]{4}|6[6-9][0-9]{3}|65[6-9][0-9]{2}|655[4-9][0-9]|6553[6-9]`
	notAddresses = `([0-9]+\.){0,2}[0-9]+|([0-9]+\.){4,}[0-9]+|[^/:]*[^0-9./:][^/:]*\.[0-9]+|` +
		`([^/:]*\.)?0[xX][0-9a-fA-F]*|([0-9]+\.)*(0[0-9]+|25[6-9]|2[6-9][0-9]|[3-9][0-9]{2}|[0-9]{4,})(\.[0-9]+)*`
)

// internal4 and internal6 are the addresses of lanes/location/guard, as far as they are plain to see.
const (
	internal4 = `(0|10|127|2(2[4-9]|[345][0-9])|` +
		`100\.(6[4-9]|[789][0-9]|1[01][0-9]|12[0-7])|169\.254|172\.(1[6-9]|2[0-9]|3[01])|192\.168|198\.1[89]|` +
		`192\.0\.[02]|192\.88\.99|198\.51\.100|203\.0\.113)(\.[0-9]+)+`
	internal6 = `\[(::1?|[fF][c-fC-F][0-9a-fA-F]{2}:[^\]]*|2001:0?[dD][bB]8:[^\]]*|64:[fF][fF]9[bB]:[^\]]*)\]`
	localhost = `([^/:]*\.)?[lL][oO][cC][aA][lL][hH][oO][sS][tT]`
)

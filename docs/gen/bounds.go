package main

import (
	"github.com/polyglot-media/siren/lanes"
	"github.com/polyglot-media/siren/lanes/kinds"
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
	must(`^([fF][iI][lL][eE]|[sS]3|[gG][sS]|[aA][zZ][bB][lL][oO][bB]|[hH][tT][tT][pP][sS]?)://`,
		"must begin with file://, s3://, gs://, azblob://, http:// or https://"),
	must(`/$`, "must end in a slash, or it would also allow its neighbours"),
	must(`^([^fF]|[fF][iI][lL][eE]:///)`, "must be file:///absolute/dir/"),
	mustNot(`^[^/]*//[^/]*/(.*/)?(|\.\.?)/`, "must not contain //, /./ or /../"),
	mustNot(`\\|%2[eEfF]|%5[cC]`, "must have its dots and slashes plainly, not percent-encoded, and no backslash"),
	mustNot(`%[01]|%7[fF]|[\x00-\x1f\x7f]`, "must not contain control characters"),
	mustNot(`%([^0-9a-fA-F]|[0-9a-fA-F][^0-9a-fA-F])`, "is not a URL: write % as %25"),
	mustNot(`^[^/]*//[^/]*/(.*/)?\.siren/`, "must not lead into .siren, which belongs to Siren itself"),
	must(`^([^sS]|[sS]3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/)`, "must name a bucket of S3: 3 to 63 of a-z 0-9 . -"),
	mustNot(`^[sS]3://(`+notBuckets+`)/`, "must name a bucket of S3, which is no address and has no .. .- or -."),
	must(`^([^gG]|[gG][sS]://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/)`,
		"must name a bucket of Google's: 3 to 222 of a-z 0-9 . _ -"),
	must(`^([^aA]|[a-zA-Z]+://[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/)`, "must name a container: 3 to 63 of a-z 0-9 -"),
	mustNot(`^[aA][a-zA-Z]+://[^/]*--`, "must name a container, which has no --"),
	must(`^([^hH]|[a-zA-Z]+://(\[[^\]/]+\]|[^/:@\[\]\\\s]+)(:[0-9]*)?/)`, "must name a host"),
	mustNot(`^[hH][a-zA-Z]+://(`+internal4+`|`+internal6+`|`+notAddresses+`)\.?(:[0-9]*)?/`,
		"is not a public address, and inputs are fetched from public addresses only; use s3:// or file:// for "+
			"internal storage"),
}

// notBuckets is what S3 calls no bucket though its characters are right.
const notBuckets = `[^/]*(\.\.|\.-|-\.)[^/]*|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+`

// internal4 and internal6 are the addresses of lanes/location/guard, as far as they are plain to see; notAddresses is
// what leads to this machine, and numbers that some take for an address.
const (
	internal4 = `(0|10|127|2(2[4-9]|[345][0-9])|` +
		`100\.(6[4-9]|[789][0-9]|1[01][0-9]|12[0-7])|169\.254|172\.(1[6-9]|2[0-9]|3[01])|192\.168|198\.1[89]|` +
		`192\.0\.[02]|192\.88\.99|198\.51\.100|203\.0\.113)(\.[0-9]+)+`
	internal6 = `\[(::1?|[fF][c-fC-F][0-9a-fA-F]{2}:[^\]]*|2001:0?[dD][bB]8:[^\]]*|64:[fF][fF]9[bB]:[^\]]*)\]`

	notAddresses = `[lL][oO][cC][aA][lL][hH][oO][sS][tT]|([0-9]+\.){0,2}[0-9]+|([0-9a-fA-FxX]+\.)*0[xX][0-9a-fA-F]*`
)

package lanes

import _ "embed"

// Schema is the JSON Schema (draft 7) of policy files. It says which fields there are and how they are written;
// Validate checks what they mean together. docs/gen writes it from the comments of Policy.
//
//go:embed policy.schema.json
var Schema string

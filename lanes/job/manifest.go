package job

import "encoding/json"

// ManifestName is the file of a folder that is written last: a folder without it isn't whole.
const ManifestName = "manifest.json"

// Manifest says what is in an output that is a folder, and how it came to be.
type Manifest struct {
	Job    string          `json:"job"` // its id
	Kind   string          `json:"kind"`
	Preset string          `json:"preset,omitempty"`
	Params json.RawMessage `json:"params,omitempty"` // as the job has them
	Input  string          `json:"input"`            // without what may be a signature
	MadeBy []string        `json:"madeBy"`           // programs with their versions
	// Main is the file that its readers begin with; "" when there is none.
	Main  string         `json:"main,omitempty"`
	Files []ManifestFile `json:"files"`
	// Warnings is what is wrong with the input.
	Warnings []string `json:"warnings,omitempty"`
}

// ManifestFile is a file of a folder.
type ManifestFile struct {
	Name   string `json:"name"` // below the folder
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // in hexadecimal digits
	Type   string `json:"type"`   // media type
	About  any    `json:"about,omitempty"`
}

// Bytes returns how large the files are together.
func (m Manifest) Bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Bytes
	}
	return sum
}

package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// ContentID derives an id, of the form of NewID's, from the job's content. The same job gets the same id, however its
// wire form is spaced and its fields are ordered. The job's own id doesn't count.
func ContentID(j Job) (string, error) {
	j.ID, j.Version = "", 0
	if len(j.Params) > 0 {
		d := json.NewDecoder(bytes.NewReader(j.Params))
		d.UseNumber() // or large ones would lose digits, and different params be the same
		var params any
		err := d.Decode(&params)
		if err == nil {
			j.Params, err = json.Marshal(params) // sorts the names
		}
		if err != nil {
			return "", fmt.Errorf("params: %w", err)
		}
	}
	text, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return idAlphabet.EncodeToString(sum[:16]), nil
}

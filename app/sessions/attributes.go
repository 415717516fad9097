package sessions

import (
	"github.com/fxamacker/cbor/v2"

	"usher/identity"
)

// codec encodes attributes and batches.
type codec struct {
	enc   cbor.EncMode
	dec   cbor.DecMode
	batch cbor.DecMode // of what holds the rest
}

func newCodec() (*codec, error) {
	enc, err := wireEncoding()
	if err != nil {
		return nil, err
	}
	dec, err := wireDecoding(maxDepth)
	if err != nil {
		return nil, err
	}
	batch, err := wireDecoding(maxNested)
	if err != nil {
		return nil, err
	}
	return &codec{enc, dec, batch}, nil
}

// packAttributes returns attributes as CBOR, in which equal ones have equal bytes. It leaves
// out what cannot be encoded; all that verifiers make can.
func (r *Registry) packAttributes(a identity.Attributes) string {
	if len(a) == 0 {
		return ""
	}
	c, err := r.codec()
	if err != nil {
		return ""
	}
	data, err := c.enc.Marshal(a)
	if err != nil {
		return ""
	}
	return string(data)
}

// unpackAttributes is the inverse of packAttributes.
func (r *Registry) unpackAttributes(data string) (a identity.Attributes) {
	if data == "" {
		return nil
	}
	c, err := r.codec()
	if err != nil {
		return nil
	}
	if err := c.dec.Unmarshal([]byte(data), &a); err != nil {
		return nil
	}
	return a
}

package claims

import (
	"strconv"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// decoder decodes the JSON values of a text one after the other.
type decoder struct {
	rest   string // what is not decoded yet
	failed bool   // for good: there is something that encoding/json has to decide
}

// object decodes an object. It calls member with the name of each member, and member
// decodes the value.
func (d *decoder) object(member func(name string)) {
	d.expect("{")
	if d.accept("}") {
		return
	}
	for !d.failed {
		var name string
		d.text(&name)
		d.expect(":")
		member(name)
		if d.accept("}") {
			return
		}
		d.expect(",")
	}
}

// list decodes a list of strings that is not empty.
func (d *decoder) list(to *jwt.TagList) {
	d.expect("[")
	*to = nil
	for !d.failed {
		var s string
		d.text(&s)
		*to = append(*to, s)
		if d.accept("]") {
			return
		}
		d.expect(",")
	}
}

// text decodes a string.
func (d *decoder) text(to *string) {
	d.expect(`"`)
	for i := range len(d.rest) {
		switch c := d.rest[i]; {
		case c == '"':
			*to, d.rest = d.rest[:i], d.rest[i+1:]
			return
		case c < ' ' || c == '\\' || c > '~':
			d.failed = true
			return
		}
	}
	d.failed = true
}

// int decodes an int that is not negative.
func (d *decoder) int(to *int) {
	*to = int(d.number(strconv.IntSize - 1)) //nolint:gosec // it fits
}

// seconds decodes a time that is not negative.
func (d *decoder) seconds(to *int64) {
	*to = int64(d.number(63)) //nolint:gosec // it fits
}

func (d *decoder) unsigned(to *uint64) { *to = d.number(64) }

// number decodes a number of at most so many bits.
func (d *decoder) number(bits int) uint64 {
	end := 0
	for end < len(d.rest) && '0' <= d.rest[end] && d.rest[end] <= '9' {
		end++
	}
	digits := d.rest[:end]
	n, err := strconv.ParseUint(digits, 10, bits)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		d.failed = true
	}
	d.rest = d.rest[end:]
	return n
}

func (d *decoder) expect(token string) {
	if !d.accept(token) {
		d.failed = true
	}
}

// accept reports whether the rest begins with token, which it then drops.
func (d *decoder) accept(token string) (ok bool) {
	d.rest, ok = strings.CutPrefix(d.rest, token)
	return ok
}

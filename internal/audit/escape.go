package audit

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape returns a line of JSON in which no character steers a terminal or reorders what it
// shows: such characters are written as a backslash, u and four digits, which means the same.
// encoding/json leaves those above U+007E as they are. It returns line itself if there are none.
func Escape(line []byte) []byte {
	var out []byte // nil: nothing is escaped yet
	for i := 0; i < len(line); {
		r, size := rune(line[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(line[i:])
		}
		harmless := r < 0x7f || r > 0x9f && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
		if harmless && (r != utf8.RuneError || size > 1) {
			if out != nil {
				out = append(out, line[i:i+size]...)
			}
			i += size
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(line)+32), line[:i]...)
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
		i += size
	}
	if out == nil {
		return line
	}
	return out
}

// escaping writes lines of JSON escaped.
type escaping struct{ out io.Writer }

func (e escaping) Write(line []byte) (int, error) {
	if _, err := e.out.Write(Escape(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

package secret

import (
	"strings"
	"unicode"
)

// Filter redacts the texts of one request. It hides what Redact hides, and also the
// credential that the request presented, whatever its form. The zero Filter knows no
// credential. A Filter is safe for concurrent use.
type Filter struct {
	presented []string
}

// Lengths, in bytes.
const (
	minPart      = 8   // shortest part of a credential that is hidden
	minWhole     = 4   // shortest credential that is hidden inside another text
	lookahead    = 256 // beyond the limit, to recognise a secret that the limit would cut
	maxPresented = 16 << 10
)

// NewFilter returns a Filter for a request that presented these credentials. It
// ignores empty ones, and all but the first 16 KiB of each.
func NewFilter(presented ...string) Filter {
	var f Filter
	for _, p := range presented {
		if p != "" {
			f.presented = append(f.presented, p[:min(len(p), maxPresented)])
		}
	}
	return f
}

// Text returns the part of text that may be shown: at most limit bytes, with "…" if
// it was cut, without control characters, and with Hidden in place of what looks like
// a secret and of every part of 8 bytes or more that it shares with a presented
// credential. A credential of fewer bytes is hidden as a whole.
func (f Filter) Text(text string, limit int) string {
	if text == "" {
		return ""
	}
	cut := len(text) > limit+lookahead
	if cut {
		text = dropLastRun(text[:limit+lookahead])
	}
	text = f.hide(Redact(strings.Map(printable, text)))
	if len(text) > limit {
		text, cut = strings.ToValidUTF8(text[:limit], ""), true
	}
	if cut {
		text += "…"
	}
	return text
}

// Clean reports whether nothing in text has to be hidden.
func (f Filter) Clean(text string) bool { return !hasSuspect(text) && f.hide(text) == text }

// dropLastRun returns a text that was cut somewhere without the run at its end, which
// may be the beginning of a secret that is too short to recognise.
func dropLastRun(text string) string {
	end := len(text)
	for end > 0 && inAlphabet(text[end-1]) {
		end--
	}
	if end == 0 {
		return Hidden // no name is a run of that length
	}
	return text[:end]
}

// printable replaces characters that would move, hide or end the text around them.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
		return unicode.ReplacementChar
	}
	return r
}

// Line returns a text as one line that a terminal shows as it is: "; " stands for a line
// break, and U+FFFD for other characters that would move, hide or end the text around them.
func Line(text string) string {
	return strings.Map(printable, strings.ReplaceAll(strings.ReplaceAll(text, "\t", " "), "\n", "; "))
}

// hide replaces what text shares with a presented credential.
func (f Filter) hide(text string) string {
	for _, p := range f.presented {
		text = hideParts(text, p)
	}
	return text
}

func hideParts(text, credential string) string {
	switch {
	case text == credential:
		return Hidden
	case len(credential) < minWhole:
		return text
	case len(credential) < minPart:
		return strings.ReplaceAll(text, credential, Hidden)
	}
	var b strings.Builder
	copied := 0 // text[:copied] is in b
	for at := 0; at+minPart <= len(text); {
		if !strings.Contains(credential, text[at:at+minPart]) {
			at++
			continue
		}
		end := at + minPart
		for end < len(text) && strings.Contains(credential, text[end-minPart+1:end+1]) {
			end++
		}
		b.WriteString(text[copied:at])
		b.WriteString(Hidden)
		copied, at = end, end
	}
	if copied == 0 {
		return text
	}
	b.WriteString(text[copied:])
	return strings.ToValidUTF8(b.String(), "") // a part may end within a character
}

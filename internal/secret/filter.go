package secret

import (
	"strings"
	"unicode"
)

// Filter is the way of texts that came with one request: to what Redact hides it
// adds the credential that the request presented, whatever that looks like. The zero
// Filter knows of no credential. It is safe for concurrent use once it is made.
type Filter struct {
	presented []string
}

// Sizes, in bytes.
const (
	telling = 8   // shortest part of a credential that is hidden
	whole   = 4   // shortest credential that is hidden inside of another text
	ahead   = 256 // how much more is looked at than is shown: longer than what is known by its end
	longest = 4096
)

// NewFilter returns a Filter for a request that presented these; empty ones are
// none. Of each its first 4096 bytes count.
func NewFilter(presented ...string) Filter {
	var f Filter
	for _, p := range presented {
		if p != "" {
			f.presented = append(f.presented, p[:min(len(p), longest)])
		}
	}
	return f
}

// Text returns what may be shown of a text: no more than limit bytes of it and a
// mark that it was cut, without control characters, and with Hidden in place of what
// looks like a secret and of every part of 8 bytes or more that it shares with what
// was presented. A credential of fewer bytes is hidden as a whole.
func (f Filter) Text(text string, limit int) string {
	if text == "" {
		return ""
	}
	cut := len(text) > limit+ahead
	if cut {
		text = ended(text[:limit+ahead])
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

// Shows reports whether nothing in a text has to be hidden.
func (f Filter) Shows(text string) bool { return !looksInside(text) && f.hide(text) == text }

// ended returns a text that was cut off somewhere without the run at its end, which
// may be the beginning of a secret that cannot be told by it.
func ended(text string) string {
	end := len(text)
	for end > 0 && isPart(text[end-1]) {
		end--
	}
	if end == 0 {
		return Hidden // no name is one run of that length
	}
	return text[:end]
}

// printable replaces what would move, hide or end what stands around it.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
		return unicode.ReplacementChar
	}
	return r
}

// hide puts Hidden in place of what a text shares with what was presented.
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
	case len(credential) < whole:
		return text
	case len(credential) < telling:
		return strings.ReplaceAll(text, credential, Hidden)
	}
	var b strings.Builder
	shown := 0 // up to where text is in b
	for at := 0; at+telling <= len(text); {
		if !strings.Contains(credential, text[at:at+telling]) {
			at++
			continue
		}
		end := at + telling
		for end < len(text) && strings.Contains(credential, text[end-telling+1:end+1]) {
			end++
		}
		b.WriteString(text[shown:at])
		b.WriteString(Hidden)
		shown, at = end, end
	}
	if shown == 0 {
		return text
	}
	b.WriteString(text[shown:])
	return strings.ToValidUTF8(b.String(), "") // a part can end within a character
}

package transfer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/directory"
)

const maxNamed = 8 // names in a line; the others are counted

// details are the differences of one user, project or resource.
type details []string

// String returns ": a; b", or an empty string.
func (d *details) String() string {
	if len(*d) == 0 {
		return ""
	}
	return ": " + strings.Join(*d, "; ")
}

func (d *details) add(text string) { *d = append(*d, text) }

func (d *details) addIf(text string, differs bool) {
	if differs {
		d.add(text)
	}
}

func (d *details) text(what, was, now string) {
	d.addIf(what+" "+was+" → "+now, was != now)
}

func (d *details) enabled(was, now bool) {
	d.addIf("disabled", !was && now)
	d.addIf("enabled", was && !now)
}

// made omits the time of modification if there are other differences.
func (d *details) made(was, now directory.Made) {
	d.addIf("created_on", !was.Created.Equal(now.Created))
	d.addIf("created_by", was.By != now.By)
	if len(*d) == 0 && !was.Modified.Equal(now.Modified) {
		d.add("modified_on " + now.Modified.Format(time.RFC3339))
	}
}

func (d *details) set(what string, was, now []string) {
	if sameSet(was, now) {
		return
	}
	var signed []string
	sign := func(mark string, list, other []string) {
		in := make(map[string]bool, len(other))
		for _, v := range other {
			in[v] = true
		}
		for _, v := range list {
			if !in[v] {
				signed = append(signed, mark+v)
			}
		}
	}
	sign("+", now, was)
	sign("-", was, now)
	d.add(what + " " + short(signed, " "))
}

func (d *details) keys(was, now []directory.Key) {
	var signed []string
	find := func(list []directory.Key, id string) int {
		return slices.IndexFunc(list, func(k directory.Key) bool { return k.ID == id })
	}
	for i := range now {
		switch j := find(was, now[i].ID); {
		case j < 0:
			signed = append(signed, "+"+now[i].ID)
		case !sameKey(&was[j], &now[i]):
			signed = append(signed, "~"+now[i].ID)
		}
	}
	for i := range was {
		if find(now, was[i].ID) < 0 {
			signed = append(signed, "-"+was[i].ID)
		}
	}
	if len(signed) > 0 {
		d.add("keys " + short(signed, " "))
	}
}

// sizes returns " (a, b)" without empty parts.
func sizes(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func number(n int, what string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + what
	default:
		return fmt.Sprint(n, " ", what, "s")
	}
}

func list[T ~string](before string, all []T) string {
	if len(all) == 0 {
		return ""
	}
	return before + short(words(all), ", ")
}

// short joins words, and counts those that are too many for a line.
func short(all []string, between string) string {
	if len(all) > maxNamed {
		return strings.Join(all[:maxNamed], between) + between + fmt.Sprintf("and %d more", len(all)-maxNamed)
	}
	return strings.Join(all, between)
}

func words[T ~string](all []T) []string {
	text := make([]string, len(all))
	for i, v := range all {
		text[i] = string(v)
	}
	return text
}

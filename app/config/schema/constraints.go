package schema

import (
	"fmt"
	"slices"
	"strings"

	"usher/internal/secret"
)

// Constraint is a condition on several keys.
type Constraint struct {
	Keys  []string // paths of the table; of elements of lists, those of one element
	Text  string   // one sentence, which names every key
	Check func(v *Values) []Fault
}

// Fault describes what is wrong with the value of a key.
type Fault struct {
	Key     string
	Message string
	Hint    string
}

// AtMostOne returns the constraint that of several groups of keys at most one is set.
func AtMostOne(groups ...[]string) Constraint {
	var keys, names, plain []string
	for _, group := range groups {
		keys = append(keys, group...)
		names = append(names, "`"+strings.Join(group, "` with `")+"`")
		plain = append(plain, strings.Join(group, " with "))
	}
	check := func(v *Values) []Fault {
		var first string
		var faults []Fault
		for _, group := range groups {
			for _, key := range group {
				if !v.IsSet(key) {
					continue
				}
				if first == "" {
					first = key
				} else {
					faults = append(faults, Fault{Key: key, Message: "conflicts with " + first, Hint: "keep one of: " + strings.Join(plain, "; ")})
				}
				break
			}
		}
		return faults
	}
	return Constraint{Keys: keys, Text: "Set at most one of: " + strings.Join(names, "; ") + ".", Check: check}
}

// BothOrNeither returns the constraint that both keys are set, or neither.
func BothOrNeither(a, b string) Constraint {
	check := func(v *Values) []Fault {
		present, missing := a, b
		switch {
		case v.IsSet(a) == v.IsSet(b):
			return nil
		case v.IsSet(b):
			present, missing = b, a
		}
		return []Fault{{Key: present, Message: "needs " + missing, Hint: "set both or neither"}}
	}
	return Constraint{Keys: []string{a, b}, Text: fmt.Sprintf("Set both `%s` and `%s`, or neither.", a, b), Check: check}
}

// ExactlyOne returns the constraint that one of two keys is set.
func ExactlyOne(key, other string) Constraint {
	check := func(v *Values) []Fault {
		switch {
		case v.IsSet(key) && v.IsSet(other):
			return []Fault{{Key: other, Message: "conflicts with " + key, Hint: "keep one of them"}}
		case !v.IsSet(key) && !v.IsSet(other):
			return []Fault{{Key: key, Message: "is missing", Hint: fmt.Sprintf("set it: %s; or set %s", v.Hint(key), other)}}
		}
		return nil
	}
	return Constraint{Keys: []string{key, other}, Text: fmt.Sprintf("Set exactly one of `%s` and `%s`.", key, other), Check: check}
}

// ExactlyWith returns the constraint that key is set if, and only if, choice has one of the
// values. If choice has it by default, the error is that key is missing.
func ExactlyWith(key, choice string, values ...string) Constraint {
	check := func(v *Values) []Fault {
		chosen := v.String(choice)
		needed := slices.Contains(values, chosen)
		switch {
		case needed && !v.IsSet(key) && v.Has(key):
			return []Fault{{Key: key, Message: "must not be empty"}}
		case needed && !v.IsSet(key) && !v.Has(choice):
			return []Fault{{Key: key, Message: "is missing", Hint: v.Hint(key)}}
		case needed && !v.IsSet(key):
			return []Fault{{Key: choice, Message: "needs " + key, Hint: fmt.Sprintf("set %s, or choose another value", key)}}
		case !needed && v.IsSet(key):
			return []Fault{{
				Key:     key,
				Message: fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(chosen)),
				Hint:    fmt.Sprintf("set %s: %s, or leave %s out", choice, strings.Join(values, " or "), key),
			}}
		}
		return nil
	}
	text := fmt.Sprintf("Set `%s` if, and only if, `%s` is `%s`.", key, choice, strings.Join(values, "` or `"))
	return Constraint{Keys: []string{key, choice}, Text: text, Check: check}
}

// OnlyWith returns the constraint that key is set only if another is.
func OnlyWith(key, other string) Constraint {
	check := func(v *Values) []Fault {
		if !v.IsSet(key) || v.IsSet(other) {
			return nil
		}
		return []Fault{{Key: key, Message: "needs " + other, Hint: fmt.Sprintf("set %s, or leave %s out", other, key)}}
	}
	return Constraint{Keys: []string{key, other}, Text: fmt.Sprintf("Set `%s` only with `%s`.", key, other), Check: check}
}

// OnlyIf returns the constraint that key is set only if choice has one of the values.
func OnlyIf(key, choice string, values ...string) Constraint {
	list := strings.Join(values, ", ")
	check := func(v *Values) []Fault {
		chosen := v.String(choice)
		if !v.IsSet(key) || slices.Contains(values, chosen) {
			return nil
		}
		return []Fault{{
			Key:     key,
			Message: fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(chosen)),
			Hint:    fmt.Sprintf("set %s to one of %s; or leave %s out", choice, list, key),
		}}
	}
	return Constraint{Keys: []string{key, choice}, Text: fmt.Sprintf("Set `%s` only if `%s` is `%s`.", key, choice, strings.Join(values, "`, `")), Check: check}
}

// NeededIf returns the constraint that key is set if choice has the value. It may be set
// anyway.
func NeededIf(choice, value, key string) Constraint {
	check := func(v *Values) []Fault {
		if v.String(choice) != value || v.IsSet(key) {
			return nil
		}
		return []Fault{{Key: choice, Message: "needs " + key, Hint: fmt.Sprintf("set %s, or choose another value", key)}}
	}
	return Constraint{Keys: []string{choice, key}, Text: fmt.Sprintf("Set `%s` if `%s` is `%s`.", key, choice, value), Check: check}
}

// NotAbove returns the constraint that one size does not exceed another.
func NotAbove(size, limit string) Constraint {
	check := func(v *Values) []Fault {
		if v.Int(size) <= v.Int(limit) {
			return nil
		}
		return []Fault{{Key: size, Message: fmt.Sprintf("is %d, more than %s, which is %d", v.Int(size), limit, v.Int(limit)), Hint: "lower " + size + " or raise " + limit}}
	}
	return Constraint{Keys: []string{size, limit}, Text: fmt.Sprintf("`%s` must not exceed `%s`.", size, limit), Check: check}
}

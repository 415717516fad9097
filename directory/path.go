package directory

import "strconv"

// path leads to a value of the records. It becomes text only for a fault: a
// directory has millions of values.
type path struct {
	in    *path  // nil: the records themselves
	key   string // of the list or the value
	index int    // in the list; whole: no element of it
}

const whole = -1

func (p *path) field(key string) path { return path{in: p, key: key, index: whole} }

func (p *path) element(key string, i int) path { return path{in: p, key: key, index: i} }

// String returns the path as Problem has it.
func (p *path) String() string {
	text := ""
	for ; p != nil; p = p.in {
		index := ""
		if p.index != whole {
			index = "[" + strconv.Itoa(p.index) + "]"
		}
		text = "." + p.key + index + text
	}
	return text[1:]
}

package api

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/directory"
)

// position is a place in a list, newest first. It stays where it is while things
// before and after it come and go.
type position struct {
	created time.Time
	name    string
}

func compare(x, y position) int {
	return cmp.Or(y.created.Compare(x.created), strings.Compare(x.name, y.name))
}

// maxPage is the largest page that is made of a list, unless all of it is asked for.
const maxPage = 1 << 20

// tokenVersion begins every page token.
const tokenVersion = "1"

// token returns the position as clients pass it on: base64url of the version, the
// route, seconds, nanoseconds and name. It is not meant to be read by them, and
// says nothing that the list has not said.
func (p position) token(route string) string {
	text := fmt.Sprintf("%s/%s/%d/%d/%s", tokenVersion, route, p.created.Unix(), p.created.Nanosecond(), p.name)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// parseToken reads what token has written for the same route.
func parseToken(route, token string) (p position, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return position{}, false
	}
	parts := strings.Split(string(text), "/")
	if len(parts) != 5 {
		return position{}, false
	}
	seconds, err1 := strconv.ParseInt(parts[2], 10, 64)
	nanos, err2 := strconv.ParseInt(parts[3], 10, 64)
	if err1 != nil || err2 != nil || directory.CheckName(parts[4]) != nil {
		return position{}, false
	}
	p = position{time.Unix(seconds, nanos), parts[4]}
	return p, p.token(route) == token // whatever else is wrong shows here
}

// page returns the part of a list that the request asks for, the token of the
// next one, and how long the list is. at says where an element stands; it is
// called often, and has to be cheap.
func page[T any](c *call, all iter.Seq[T], at func(T) position) (items []T, next string, total int, err error) {
	query := c.r.URL.Query()
	size := 0
	if text := query.Get("pageSize"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 0 {
			return nil, "", 0, invalid("Invalid page size")
		}
		size = min(size, maxPage)
	}
	var after position
	token := query.Get("pageToken")
	if token != "" {
		var ok bool
		if after, ok = parseToken(c.route.Name, token); !ok {
			return nil, "", 0, invalid("Invalid page token")
		}
	}
	order := func(x, y T) int { return compare(at(x), at(y)) }
	items = []T{}
	for item := range all {
		total++
		if token != "" && compare(at(item), after) <= 0 {
			continue
		}
		items = append(items, item)
		if most := size + 1; size > 0 && len(items) >= 2*most+1024 { // no more than is asked for is kept and sorted
			slices.SortFunc(items, order)
			items = items[:most]
		}
	}
	slices.SortFunc(items, order)
	if size > 0 && len(items) > size {
		items = items[:size]
		next = at(items[size-1]).token(c.route.Name)
	}
	return items, next, total, nil
}

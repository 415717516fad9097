package rest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/api/apierror"
	"usher/directory"
)

// Position is the place of an element in a list, newest first. It does not move when
// other elements are added or removed.
type Position struct {
	Created time.Time
	Name    string
}

func comparePositions(x, y Position) int {
	return cmp.Or(y.Created.Compare(x.Created), strings.Compare(x.Name, y.Name))
}

// maxPage is the largest page size; 0 still returns the whole list.
const maxPage = 1 << 20

// tokenVersion is the first part of every page token.
const tokenVersion = "1"

// token returns the position as a page token: base64url of version, route, seconds,
// nanoseconds and name, separated by '/'. It reveals nothing that the list did not.
func (p Position) token(route string) string {
	text := fmt.Sprintf("%s/%s/%d/%d/%s", tokenVersion, route, p.Created.Unix(), p.Created.Nanosecond(), p.Name)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// parseToken parses a page token of the route.
func parseToken(route, token string) (p Position, ok bool) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return Position{}, false
	}
	parts := strings.Split(string(text), "/")
	if len(parts) != 5 {
		return Position{}, false
	}
	seconds, err1 := strconv.ParseInt(parts[2], 10, 64)
	nanos, err2 := strconv.ParseInt(parts[3], 10, 64)
	if err1 != nil || err2 != nil || directory.CheckName(parts[4]) != nil {
		return Position{}, false
	}
	p = Position{time.Unix(seconds, nanos), parts[4]}
	return p, p.token(route) == token // this also compares version and route
}

// Page is one page of a list.
type Page[T any] struct {
	Items []T
	Next  string // token of the next page; empty: this is the last one
	Total int    // elements on all pages
}

// PageOf returns the page of a list that the request asks for. It calls position several
// times for each element.
func PageOf[T any](r *Request, all iter.Seq[T], position func(T) Position) (*Page[T], error) {
	size, after, err := r.pageParameters()
	if err != nil {
		return nil, err
	}
	order := func(x, y T) int { return comparePositions(position(x), position(y)) }
	page := &Page[T]{Items: []T{}}
	for item := range all {
		page.Total++
		if after != nil && comparePositions(position(item), *after) <= 0 {
			continue
		}
		page.Items = append(page.Items, item)
		// Sorting now and then keeps memory at the size of the page, not of the list.
		if limit := size + 1; size > 0 && len(page.Items) >= 2*limit+1024 {
			slices.SortFunc(page.Items, order)
			page.Items = page.Items[:limit]
		}
	}
	slices.SortFunc(page.Items, order)
	if size > 0 && len(page.Items) > size {
		page.Items = page.Items[:size]
		page.Next = position(page.Items[size-1]).token(r.Route.Name)
	}
	return page, nil
}

// pageParameters returns pageSize (0: the whole list) and the position in pageToken
// (nil: the list begins at its start).
func (r *Request) pageParameters() (size int, after *Position, err error) {
	if text := r.Query("pageSize"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 0 {
			return 0, nil, apierror.InvalidParameter("page size", "a number, or 0 for the whole list")
		}
		size = min(size, maxPage)
	}
	if token := r.Query("pageToken"); token != "" {
		p, ok := parseToken(r.Route.Name, token)
		if !ok {
			return 0, nil, apierror.InvalidParameter("page token", "nextPageToken of the previous page of the same list")
		}
		after = &p
	}
	return size, after, nil
}

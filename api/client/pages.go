package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// pageSize is how many things are asked for at a time.
const pageSize = 500

// pages asks for a list page by page, and returns what is on all of them; open
// takes from a page what is on it, and the token of the next.
func pages[L, T any](ctx context.Context, c *Client, at place, open func(*L) ([]T, string), with ...option) ([]T, error) {
	all := []T{} // JSON has [] for it
	asked := map[string]bool{}
	for token := ""; ; {
		page, _, err := fetch[L](ctx, c, http.MethodGet, at,
			slices.Concat(with, []option{query("pageSize", strconv.Itoa(pageSize)), query("pageToken", token)})...)
		if err != nil {
			return nil, err
		}
		var items []T
		items, token = open(page)
		all = append(all, items...)
		if token == "" {
			return all, nil
		}
		if asked[token] {
			return nil, fmt.Errorf("%w: its pages go round in circles", ErrAnswer)
		}
		asked[token] = true
	}
}

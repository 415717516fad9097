package listener_test

import (
	"errors"
	"slices"
	"testing"

	"usher/api/listener"
)

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		limit, reserved uint64
		wanted, shares  []int // shares is nil: ErrFewFiles
	}{
		{1 << 20, 42, []int{256, 1024}, []int{256, 1024}},
		{42 + 1280, 42, []int{256, 1024}, []int{256, 1024}},
		{128, 42, []int{256}, []int{86}},
		{128, 42, []int{256, 1024}, []int{21, 64}},
		{42 + 16, 42, []int{256, 1024}, []int{8, 8}},
		{42 + 15, 42, []int{256, 1024}, nil},
		{20, 42, []int{256}, nil},
		{42 + 4, 42, []int{4}, []int{4}},
		{42, 42, nil, []int{}},
	} {
		got, err := listener.Share(tt.limit, tt.reserved, tt.wanted...)
		if !slices.Equal(got, tt.shares) || (tt.shares == nil) != errors.Is(err, listener.ErrFewFiles) {
			t.Errorf("limit %d, reserved %d, wanted %v: got %v, %v", tt.limit, tt.reserved, tt.wanted, got, err)
		}
		sum := tt.reserved
		for _, n := range got {
			sum += uint64(n)
		}
		if err == nil && sum > tt.limit {
			t.Errorf("%d files are fewer than %v", tt.limit, got)
		}
	}
}

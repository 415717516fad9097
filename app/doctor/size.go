package doctor

import "fmt"

// size is a number of bytes for people.
func size(n uint64) string {
	const unit = 1024
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= unit && i < len(units)-1 {
		v /= unit
		i++
	}
	if v < 10 && i > 0 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}

// goSize is a number of bytes as GOMEMLIMIT takes it.
func goSize(n uint64) string { return fmt.Sprintf("%dMiB", n>>20) }

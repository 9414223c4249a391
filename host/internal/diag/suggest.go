package diag

import "fmt"

// Suggest returns the candidate that got was probably meant to be, or "". It
// counts inserted, deleted, replaced and swapped letters, and lets a third of
// them be wrong.
func Suggest(got string, candidates []string) string {
	best, fewest := "", len(got)/3+1
	if len(got) <= 2 {
		fewest = 1
	}
	for _, c := range candidates {
		if abs(len(c)-len(got)) > fewest || len(got) > 64 {
			continue
		}
		if d := distance(got, c); d < fewest || d == fewest && best == "" {
			best, fewest = c, d
		}
	}
	return best
}

func abs(i int) int { return max(i, -i) }

// distance is the optimal string alignment distance.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Plural returns a number with a noun, of which it makes a plural by an s: 1 trial, 2 trials.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

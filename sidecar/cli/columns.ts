/** Rows of cells as text: a line a row, each column as wide as its widest cell, nothing behind the last. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) => {
    const padded = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `${padded.join('  ').trimEnd()}\n`;
  });
  return lines.join('');
}

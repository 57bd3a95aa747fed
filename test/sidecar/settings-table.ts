/**
 * The table of settings in docs/operations.md, made from the schema. `node test/sidecar/settings-table.ts` prints it.
 */

import { settingRows } from '../../sidecar/config-schema.ts';

export function settingsTable(): string {
  const lines = settingRows().map(({ key, description, expects, preset }) => {
    const standard = preset === undefined ? '' : `\`${preset}\` `;
    return `| \`${key}\` | ${standard}| ${description} | ${expects} |`;
  });
  return ['| key | default | meaning | form |', '|---|---|---|---|', ...lines].join('\n');
}

if (import.meta.main) process.stdout.write(`${settingsTable()}\n`);

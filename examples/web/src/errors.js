/**
 * What went wrong, as short as the browser says it.
 * @param {unknown} error
 */
export const reasonOf = (error) => String(error?.message ?? error).slice(0, 200);

/** Caps and defaults of the /api endpoints. */
export const generateMaxTokensDefault = 2048
export const generateTemperatureDefault = 0.7
/** Cap of `steps` in /api/inference and of `maxTokens` in /api/chat. */
export const streamTokensMax = 500
export const streamTokensDefault = 200
export const streamTemperatureDefault = 0.8
export const metricsPointsMax = 1000
